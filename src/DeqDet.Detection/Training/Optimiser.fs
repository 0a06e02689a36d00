namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open TorchSharp.Modules
open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Settings

/// AdamW over a detector's trainable parameters, each with the learning rate and decay its name asks for, with clipping of the gradient's
/// norm. What it accumulates can be written down and taken up again bit for bit.
[<Sealed>]
type Optimiser(detector: Detector, settings: OptimiserSettings) =

    static let prefix = "optimiser."

    let beta1, beta2 = settings.Betas[0], settings.Betas[1]

    /// Parameters with the same rate and decay, in the order of the model.
    let rules =
        Detector.trainable detector
        |> List.map (fun (spec, tensor) -> spec.Name, tensor :?> Parameter)
        |> List.groupBy (fun (name, _) -> OptimiserRules.forParameter settings name)

    let parameters = rules |> List.collect snd

    let groups =
        [
            for struct (rate, decay), members in rules ->
                let group =
                    AdamW.ParamGroup(
                        [| for _, value in members -> value |],
                        rate,
                        beta1,
                        beta2,
                        settings.Eps,
                        decay,
                        amsgrad = false,
                        maximize = false
                    )

                group, rate
        ]

    let adam =
        torch.optim.AdamW([| for group, _ in groups -> group |], settings.Lr, beta1, beta2, settings.Eps)

    // TorchSharp keeps the states in the order in which the groups name their parameters.
    let states () : (string * AdamW.State) list =
        let states = (adam :> OptimizerHelper).state_dict().State
        parameters |> List.mapi (fun i (name, _) -> name, states[i] :?> AdamW.State)

    /// Clears the gradients of the step before.
    member _.ZeroGradients() : unit = adam.zero_grad ()

    /// Divides the gradient by the factor that its loss was multiplied with.
    member _.UnscaleGradients(scale: float) : unit =
        if scale <> 1.0 then
            use _ = torch.no_grad ()

            for _, value in parameters do
                use gradient = value.grad

                if not (isNull gradient) then
                    gradient.mul_ (scalar (1.0 / scale)) |> ignore

    /// Scales the gradient down to the settings' largest norm and returns the norm it had: not a number or infinite where the gradient
    /// is; nothing may be stepped then.
    member _.ClipGradients() : float =
        torch.nn.utils.clip_grad_norm_ ([| for _, value in parameters -> value |], settings.ClipNorm)

    /// The same where several processes agree on the norm, so that all scale by the same bits.
    member _.ClipGradients(agree: float -> float) : float =
        let gradients = [| for _, value in parameters -> value |]
        // longer than any gradient: here it is measured only, and scaled below by what all agree on
        let norm = agree (torch.nn.utils.clip_grad_norm_ (gradients, 1e30))
        let factor = settings.ClipNorm / (norm + 1e-6)

        if factor < 1.0 then
            use _ = torch.no_grad ()

            for value in gradients do
                use gradient = value.grad

                if not (isNull gradient) then
                    gradient.mul_ (torch.tensor (factor, dtype = torch.float32, device = gradient.device))
                    |> ignore

        norm

    /// One step with every learning rate times `factor`.
    member _.Step(factor: float) : unit =
        for group, rate in groups do
            group.LearningRate <- rate * factor

        adam.step () |> ignore

    /// Running means of gradients and of their squares, and the number of steps, under `optimiser.` names. The tensors are the
    /// optimiser's own; the counter is a new one.
    member _.State() : (string * torch.Tensor) list =
        [
            for name, state in states () do
                $"{prefix}exp_avg.{name}", state.exp_avg
                $"{prefix}exp_avg_sq.{name}", state.exp_avg_sq
                $"{prefix}step.{name}", torch.tensor (state.step, dtype = torch.int64)
        ]

    /// What `State` gives, as a checkpoint should hold it.
    member _.ExpectedState() : ExpectedTensor[] =
        [|
            for name, value in parameters do
                ExpectedTensor($"{prefix}exp_avg.{name}", value.shape, ElementType.Float32)
                ExpectedTensor($"{prefix}exp_avg_sq.{name}", value.shape, ElementType.Float32)
                ExpectedTensor($"{prefix}step.{name}", [||], ElementType.Int64)
        |]

    /// Takes up a state that was written by `State`.
    member _.Restore(stored: IReadOnlyDictionary<string, torch.Tensor>) : unit =
        use _ = torch.no_grad ()

        for name, state in states () do
            state.exp_avg.copy_ stored[$"{prefix}exp_avg.{name}"] |> ignore
            state.exp_avg_sq.copy_ stored[$"{prefix}exp_avg_sq.{name}"] |> ignore
            state.step <- stored[$"{prefix}step.{name}"].item<int64>()

    interface IDisposable with
        member _.Dispose() = adam.Dispose()
