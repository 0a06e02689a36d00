/// Small inputs of kinds that people meet: tests/field.
module DeqDet.Tests.FieldFiles

open System.IO

/// The folder tests/field/<name>.
let folder (name: string) : string =
    Path.GetFullPath(Path.Combine(GoldenFolder.path "", "..", "field", name))

/// Copies a folder with everything in it.
let rec copy (source: string) (target: string) : unit =
    Directory.CreateDirectory target |> ignore

    for file in Directory.GetFiles source do
        File.Copy(file, Path.Combine(target, Path.GetFileName file))

    for below in Directory.GetDirectories source do
        copy below (Path.Combine(target, Path.GetFileName below))
