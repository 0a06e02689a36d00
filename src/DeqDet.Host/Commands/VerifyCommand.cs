using DeqDet.CommandLine;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Verification;
using Microsoft.FSharp.Core;

namespace DeqDet.Host.Commands;

/// <summary>At least one number is out of tolerance; the report names it.</summary>
public sealed class VerificationFailed(string message) : Exception(message);

/// <summary>The command <c>verify</c>: computes golden files again and compares.</summary>
public static class VerifyCommand
{
    /// <summary>Verifies everything below the folder, reporting each file as it is done.</summary>
    /// <exception cref="VerificationFailed">A check failed.</exception>
    /// <exception cref="InputError">There is nothing to verify, or a file cannot be read or understood.</exception>
    public static void Run(VerifyRequest request, TextWriter output)
    {
        Outputs.Check("--json", request.Json?.Value, [], Outputs.IsReport("folder"));
        if (ExportVerification.IsFor(request.Folder))
        {
            using var interruption = new Interruption();
            Report(request, "cpu", [ExportVerification.Job(request, output, interruption.Token)], output);
            return;
        }

        if ((request.Checkpoint ?? request.Data) is not null)
        {
            throw new InputError(
                "--checkpoint and --data are for ONNX files; golden files say themselves what they hold"
            );
        }

        var device = ComputeDevice.Choose(request.Device, request.Tf32);
        var only = request.Only?.Value;
        var wanted = FuncConvert.FromFunc<string, bool>(file => only is null || Matches(only, file));
        var jobs = Catalogue.below(device, request.Folder, wanted);
        if (jobs.IsEmpty)
        {
            throw new InputError(
                only is null
                    ? $"{request.Folder}: holds nothing to verify; docs/verification.md says what golden files are called"
                    : $"{request.Folder}: nothing to verify has '{only}' in its path"
            );
        }

        Report(request, device.ToString(), jobs, output);
    }

    private static void Report(VerifyRequest request, string device, IEnumerable<Catalogue.Job> jobs, TextWriter output)
    {
        var files = new List<VerifiedFile>();
        foreach (var job in jobs)
        {
            var file = VerifiedFileModule.ofJob(job);
            ReportText.write(output, file);
            files.Add(file);
        }
        if (request.Json?.Value is { } path)
        {
            ReportJson.save(path, request.Folder, device, files);
        }
        Conclude(files, output);
    }

    // A pattern with stars is matched against the whole path, any other text is looked for in it.
    private static bool Matches(string pattern, string file) =>
        pattern.Contains('*') || pattern.Contains('?')
            ? System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern, file, ignoreCase: false)
            : file.Contains(pattern, StringComparison.Ordinal);

    private static void Conclude(IReadOnlyList<VerifiedFile> files, TextWriter output)
    {
        var checks = files.Sum(file => file.Checks.Length);
        var failed = files.Sum(file => file.Checks.Count(check => !check.Passed));
        var unread = files.Where(file => file.Problem is not null).Select(file => file.File).ToList();
        output.WriteLine();
        output.WriteLine(
            $"{Counted.Of(files.Count, "file")}, {Counted.Of(checks, "check")}, {failed} failed, {Counted.Of(unread.Count, "file")} that cannot be verified"
        );
        if (unread.Count > 0)
        {
            throw new InputError(
                $"{unread[0]}{(unread.Count > 1 ? $" and {unread.Count - 1} more" : "")}: cannot be verified (see above)"
            );
        }
        if (failed > 0)
        {
            throw new VerificationFailed($"{failed} of {checks} numbers are not what they should be (see FAIL above)");
        }
    }
}
