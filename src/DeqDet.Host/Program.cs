using System.Reflection;
using DeqDet.Coco.Evaluation;
using DeqDet.CommandLine;
using DeqDet.Host.Commands;
using DeqDet.Settings;
using EvaluateRequest = DeqDet.Host.Commands.EvaluateRequest;

namespace DeqDet.Host;

/// <summary>The program: a command, and how it ends (<see cref="ExitCode"/>).</summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        try
        {
            return Run(RequestParser.parse(arguments));
        }
        catch (InputError error)
        {
            Report(error, error.Message);
            return ExitCode.WrongInput;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("interrupted");
            return ExitCode.Interrupted;
        }
        catch (VerificationFailed error)
        {
            Report(error, error.Message);
            return ExitCode.Failed;
        }
        catch (Exception error)
        {
            Report(error, $"{error.Message} (DEQDET_DEBUG=1 shows where)");
            return ExitCode.Failed;
        }
    }

    private static void Report(Exception error, string message)
    {
        var everything = Environment.GetEnvironmentVariable("DEQDET_DEBUG") == "1";
        Console.Error.WriteLine($"error: {(everything ? error : message)}");
    }

    // One call a case: what a command needs is loaded only when that command runs.
    private static int Run(Request request)
    {
        switch (request)
        {
            case Request.Help help:
                Console.Out.Write(help.text);
                break;
            case Request.Train train:
                return Train(train.Item);
            case Request.Launch launch:
                return LaunchCommand.Run(launch.Item);
            case Request.Test test:
                Test(test.Item);
                break;
            case Request.Detect detect:
                return Detect(detect.Item);
            case Request.Serve serve:
                return ServeCommand.Run(serve.Item, Console.Out);
            case Request.Trace trace:
                TraceCommand.Run(trace.Item, Spectre.Console.AnsiConsole.Console, Console.Out);
                break;
            case Request.Evaluate evaluate:
                Evaluate(evaluate.Item);
                break;
            case Request.Verify verify:
                VerifyCommand.Run(verify.Item, Console.Out);
                break;
            case Request.Convert convert:
                ConvertCommand.Run(convert.Item, Version, Console.Out);
                break;
            case Request.Export export:
                ExportCommand.Run(export.Item, Version, Console.Out);
                break;
            case Request.Info info:
                InfoCommand.Run(info.Item, Console.Out);
                break;
            case Request.Bench bench:
                Bench(bench.Item);
                break;
            case Request.Data data:
                return Data(data.Item);
            case { IsDoctor: true }:
                return Doctor();
            default:
                Console.Out.WriteLine($"deqdet {Version}");
                break;
        }

        return 0;
    }

    private static int Train(TrainRequest request) =>
        request.Trial switch
        {
            { Value: Trial.Overfit overfit } => OverfitCommand.Run(
                request,
                overfit.images,
                Display,
                Version,
                Console.Out
            ),
            { Value.IsDryRun: true } => DryRunCommand.Run(request, Display, Version, Console.Out),
            _ => TrainCommand.Run(request, Display, Version),
        };

    private static int Detect(DetectRequest request) =>
        DetectCommand.Run(request, Spectre.Console.AnsiConsole.Console, Console.In, Console.Out);

    private static void Test(TestRequest request) => TestCommand.Run(request, Display, Console.Out);

    private static Terminal.TrainingDisplay Display => new(Spectre.Console.AnsiConsole.Console, TimeProvider.System);

    private static void Bench(BenchRequest request) => BenchCommand.Run(request, Console.Out);

    private static int Data(DataRequest request)
    {
        var console = Spectre.Console.AnsiConsole.Console;
        switch (request)
        {
            case DataRequest.Check check:
                return DataCommand.Check(check.Item, console);
            case DataRequest.Convert convert:
                DataConvertCommand.Run(convert.Item, console, Console.Out);
                break;
            case DataRequest.Split split:
                DataSplitCommand.Split(split.Item, console, Console.Out);
                break;
            case DataRequest.Merge merge:
                DataSplitCommand.Merge(merge.Item, console, Console.Out);
                break;
            case DataRequest.Browse browse:
                DataBrowseCommand.Run(browse.Item, console, Console.Out);
                break;
        }

        return 0;
    }

    private static int Doctor() =>
        DoctorCommand.Run(Spectre.Console.AnsiConsole.Console, Version, Devices.LibTorch.Load);

    private static string Version =>
        typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    private static void Evaluate(DeqDet.CommandLine.EvaluateRequest request) =>
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
                request.ClassAgnostic,
                request.Report?.Value,
                request.ImagesFrom?.Value,
                request.ReportImages?.Value,
                request.AtScore?.Value,
                request.AtIou?.Value,
                request.Strict
            ),
            Console.Out
        );
}
