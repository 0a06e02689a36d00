using DeqDet.Checkpoints;
using DeqDet.Model;
using DeqDet.Settings;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DeqDet.Detection;

/// <summary>
/// AdamW over a detector's trainable parameters, each with the learning rate and decay its name asks for, with clipping of the
/// gradient's norm. What it remembers can be written down and taken up again bit for bit.
/// </summary>
public sealed class Optimiser : IDisposable
{
    private const string Prefix = "optimiser.";

    private readonly OptimiserSettings settings;
    private readonly optim.Optimizer adam;
    private readonly List<(AdamW.ParamGroup Group, double Rate)> groups = [];
    private readonly List<(string Name, Parameter Value)> parameters = [];

    /// <summary>An optimiser that has not yet stepped.</summary>
    public Optimiser(Detector detector, OptimiserSettings settings)
    {
        this.settings = settings;
        var (beta1, beta2) = (settings.Betas[0], settings.Betas[1]);
        var byRate = DetectorModule
            .trainable(detector)
            .Select(entry => (entry.Item1.Name, Value: (Parameter)entry.Item2))
            .GroupBy(entry => OptimiserRules.forParameter(settings, entry.Name));
        foreach (var group in byRate)
        {
            var (rate, decay) = group.Key;
            parameters.AddRange(group);
            groups.Add(
                (
                    new(
                        [.. group.Select(entry => entry.Value)],
                        rate,
                        beta1,
                        beta2,
                        settings.Eps,
                        decay,
                        amsgrad: false,
                        maximize: false
                    ),
                    rate
                )
            );
        }

        adam = optim.AdamW([.. groups.Select(entry => entry.Group)], settings.Lr, beta1, beta2, settings.Eps);
    }

    /// <summary>Forgets the gradients of the step before.</summary>
    public void ZeroGradients() => adam.zero_grad();

    /// <summary>
    /// Scales the gradient down to the settings' largest norm and returns the norm it had. Not a number or infinite where the
    /// gradient is; nothing may be stepped then.
    /// </summary>
    public double ClipGradients() =>
        nn.utils.clip_grad_norm_(parameters.Select(entry => entry.Value), settings.ClipNorm);

    /// <summary>One step with every learning rate times <paramref name="factor"/>.</summary>
    public void Step(double factor)
    {
        foreach (var (group, rate) in groups)
        {
            group.LearningRate = rate * factor;
        }

        adam.step();
    }

    /// <summary>
    /// Running means of gradients and of their squares, and the number of steps, under <c>optimiser.</c> names. The tensors are the
    /// optimiser's own; the counter is a new one.
    /// </summary>
    public IEnumerable<(string Name, Tensor Tensor)> State()
    {
        foreach (var (name, state) in States())
        {
            yield return ($"{Prefix}exp_avg.{name}", state.exp_avg);
            yield return ($"{Prefix}exp_avg_sq.{name}", state.exp_avg_sq);
            yield return ($"{Prefix}step.{name}", tensor(state.step, dtype: ScalarType.Int64));
        }
    }

    /// <summary>What <see cref="State"/> gives, as a checkpoint should hold it.</summary>
    public IReadOnlyCollection<ExpectedTensor> ExpectedState() =>
        [
            .. parameters.SelectMany(entry =>
                new ExpectedTensor[]
                {
                    new($"{Prefix}exp_avg.{entry.Name}", entry.Value.shape, ElementType.Float32),
                    new($"{Prefix}exp_avg_sq.{entry.Name}", entry.Value.shape, ElementType.Float32),
                    new($"{Prefix}step.{entry.Name}", [], ElementType.Int64),
                }
            ),
        ];

    /// <summary>Takes up a state that was written by <see cref="State"/>.</summary>
    public void Restore(IReadOnlyDictionary<string, Tensor> stored)
    {
        using var noGradient = no_grad();
        foreach (var (name, state) in States())
        {
            state.exp_avg.copy_(stored[$"{Prefix}exp_avg.{name}"]);
            state.exp_avg_sq.copy_(stored[$"{Prefix}exp_avg_sq.{name}"]);
            state.step = stored[$"{Prefix}step.{name}"].item<long>();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => adam.Dispose();

    // TorchSharp keeps the states in the order in which the groups name their parameters.
    private IEnumerable<(string Name, AdamW.State State)> States()
    {
        var states = ((OptimizerHelper)adam).state_dict().State;
        for (var i = 0; i < parameters.Count; i++)
        {
            yield return (parameters[i].Name, (AdamW.State)states[i]);
        }
    }
}
