using System.Reflection;
using DeqDet.Host.Commands;
using DeqDet.Host.Evaluation;
using DeqDet.Settings;
using DeqDet.Settings.CommandLine;
using EvaluateRequest = DeqDet.Host.Commands.EvaluateRequest;

namespace DeqDet.Host;

/// <summary>
/// Exit codes: 0 done, 1 a failure of the program or the machine, 2 wrong usage or wrong input.
/// </summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        try
        {
            Run(CommandLine.parse(arguments));
            return 0;
        }
        catch (InputError error)
        {
            Report(error, error.Message);
            return 2;
        }
        catch (Exception error)
        {
            Report(error, $"{error.Message} (DEQDET_DEBUG=1 shows where)");
            return 1;
        }
    }

    private static void Report(Exception error, string message)
    {
        var everything = Environment.GetEnvironmentVariable("DEQDET_DEBUG") == "1";
        Console.Error.WriteLine($"error: {(everything ? error : message)}");
    }

    // One call a case: what a command needs is loaded only when that command runs.
    private static void Run(Request request)
    {
        switch (request)
        {
            case Request.Help help:
                Console.Out.Write(help.text);
                break;
            case Request.Evaluate evaluate:
                Evaluate(evaluate.Item);
                break;
            case Request.Verify verify:
                VerifyCommand.Run(verify.Item, Console.Out);
                break;
            default:
                Console.Out.WriteLine($"deqdet {Version}");
                break;
        }
    }

    private static string Version =>
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    private static void Evaluate(DeqDet.Settings.CommandLine.EvaluateRequest request) =>
        EvaluateCommand.Run(
            new EvaluateRequest(
                request.GroundTruth,
                request.Detections,
                request.Json?.Value,
                request.IouThresholds?.Value,
                request.AreaRanges?.Value.Select(AreaRange.Parse).ToList(),
                request.MaxDetections?.Value,
                request.ImageIds?.Value,
                request.CategoryIds?.Value,
                request.ClassAgnostic
            ),
            Console.Out
        );
}
