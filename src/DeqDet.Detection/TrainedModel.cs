using DeqDet.Checkpoints;
using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Model;
using DeqDet.Settings;
using Microsoft.FSharp.Core;
using static TorchSharp.torch;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Detection;

/// <summary>A detector with all that is needed to use it: its settings and the classes behind its labels.</summary>
public sealed record TrainedModel(Detector Detector, RunSettings Settings, IReadOnlyList<ObjectClass> Classes)
{
    /// <summary>Loads a checkpoint, or the one of a work folder, to a device.</summary>
    /// <exception cref="InputError">There is none, it is damaged, or its weights do not fit its settings.</exception>
    public static TrainedModel Load(string path, Device device)
    {
        using var file = CheckpointFile.Open(WorkFolder.CheckpointOf(path));
        return Load(file, device);
    }

    /// <summary>The same, with what a command line changes of how the equilibrium is solved for.</summary>
    /// <exception cref="InputError">Also: something is to be changed of a model that has no equilibrium.</exception>
    public static TrainedModel Load(string path, SolverRequest solver, Device device)
    {
        var model = Load(path, device);
        var detector = solver.Over(model.Settings.Detector);
        return model with
        {
            Detector = DetectorModule.withSettings(detector, model.Detector),
            Settings = SettingsModule.withDetector(detector, model.Settings),
        };
    }

    /// <summary>The same from an open checkpoint.</summary>
    public static TrainedModel Load(CheckpointFile file, Device device)
    {
        var settings = SettingsFile.parse($"{file.Path} (settings)", file.Info.Settings, []);
        var specs = DetectorModule.specs(settings.Detector);
        var weights = Weights.Load(file.Path, file.Weights, [.. specs.Select(ExpectedWeights.Of)], device);
        var detector = DetectorModule.build(settings.Detector, FuncConvert.FromFunc((Spec spec) => weights[spec.Name]));
        return new(detector, settings, file.Info.Classes);
    }
}
