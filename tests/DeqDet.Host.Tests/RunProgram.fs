/// The whole program, as a shell runs it.
module DeqDet.Tests.RunProgram

open System
open System.IO
open DeqDet.Host

/// Runs the program with arguments; gives its exit code and what it said on both outputs.
let run (arguments: string list) : int * string =
    let out, error = Console.Out, Console.Error
    use said = new StringWriter()

    try
        Console.SetOut said
        Console.SetError said
        Program.Main(Array.ofList arguments), said.ToString()
    finally
        Console.SetOut out
        Console.SetError error
