namespace DeqDet.Host.Commands;

public static class DataBrowseCommand
{
    public static void Run(
        CommandLine.DataBrowseRequest request,
        Spectre.Console.IAnsiConsole console,
        TextWriter output
    ) => output.WriteLine(request);
}
