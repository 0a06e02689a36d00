using DeqDet.CommandLine;
using DeqDet.Data;
using DeqDet.Data.Shapes;
using DeqDet.Detection;
using DeqDet.Host.Devices;
using DeqDet.Host.Terminal;
using DeqDet.Settings;
using RunSettings = DeqDet.Settings.Settings;

namespace DeqDet.Host.Commands;

/// <summary>What a training would be set up with, for trials that leave nothing on the disk: generated data that are not there yet are made in a
/// temporary folder and removed at the end.</summary>
internal sealed class TrialSetup : IDisposable
{
    private readonly DirectoryInfo? made;

    /// <summary>Reads settings and data.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="change">What the trial changes in the settings.</param>
    /// <param name="choose">The training images that it takes.</param>
    /// <param name="display">Where the making of data is shown.</param>
    /// <param name="version">The program's version.</param>
    /// <param name="cancellation">Ends the making of data.</param>
    /// <exception cref="InputError">Settings or data are missing or malformed, or the device cannot compute what they ask for.</exception>
    public TrialSetup(
        TrainRequest request,
        Func<RunSettings, RunSettings> change,
        Func<CocoDataset, RunSettings, CocoDataset> choose,
        TrainingDisplay display,
        string version,
        CancellationToken cancellation
    )
    {
        var settings = change(request.Over(TrainCommand.Load(request, null)));
        var device = ComputeDevice.Choose(request.Device, request.Tf32, 0);
        ComputeDevice.UseThreads(request.Threads?.Value, 1);
        TrainingPrecision.check(device, settings.Train.Precision);
        settings = TrainingPrecision.settled(device, settings);
        var backbone = TrainCommand.BackboneFile(settings, display, cancellation);
        try
        {
            if (settings.Data.Shapes?.Value is { } shapes && !ShapesDataSet.IsMade(settings.Data.Root, shapes))
            {
                ShapesDataSet.Check(settings.Data.Root, shapes);
                made = Directory.CreateTempSubdirectory("deqdet-trial-");
                settings = SettingsModule.withDataRoot(Path.Combine(made.FullName, "data"), settings);
                DataSets.Ensure(settings.Data, display.MakingData(), cancellation);
            }

            var data = choose(DataSets.ForTraining(settings.Data), settings);
            settings = SettingsModule.withClasses(data.Categories.Count, settings);
            Setup = new(
                settings,
                new DataLoader(data, settings.Data),
                Validation.Of(settings, data.Categories),
                device,
                Processes.Alone,
                backbone,
                version
            );
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The training.</summary>
    public TrainingSetup Setup { get; }

    /// <summary>Whether the data were made for this trial alone.</summary>
    public bool HasMadeData => made is not null;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (made is { Exists: true })
        {
            made.Delete(recursive: true);
        }
    }
}
