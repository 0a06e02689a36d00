namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open TorchSharp.Modules
open DeqDet.Checkpoints
open DeqDet.Model
open DeqDet.Settings

/// A parameter with its learning rate and decay, and what AdamW remembers of it.
type private Remembered =
    {
        Name: string
        Value: torch.Tensor
        Rate: float
        Decay: float
        /// Running mean of the gradient.
        Mean: torch.Tensor
        /// Running mean of its square.
        Square: torch.Tensor
        mutable Steps: int64
    }

/// AdamW (Loshchilov and Hutter, ICLR 2019) over a detector's trainable parameters, each with the learning rate and decay its name asks for, with
/// clipping of the gradient's norm. What it accumulates can be written down and taken up again bit for bit.
/// Operations and their order are those of TorchSharp's AdamW, and so are the bits; but TorchSharp does not hold the numbers that it
/// computes with (`Number`), of which a step has thousands.
[<Sealed>]
type Optimiser(detector: Detector, settings: OptimiserSettings) =

    static let prefix = "optimiser."

    let beta1, beta2 = settings.Betas[0], settings.Betas[1]

    // In the order of the rules: the norm of the gradient is a sum in this order.
    let parameters =
        Detector.trainable detector
        |> List.map (fun (spec, tensor) -> spec.Name, tensor)
        |> List.groupBy (fun (name, _) -> OptimiserRules.forParameter settings name)
        |> List.collect (fun (struct (rate, decay), members) ->
            [
                for name, value in members ->
                    {
                        Name = name
                        Value = value
                        Rate = rate
                        Decay = decay
                        Mean = torch.zeros_like(value).DetachFromDisposeScope()
                        Square = torch.zeros_like(value).DetachFromDisposeScope()
                        Steps = 0L
                    }
            ])

    let clipNorm (largest: float) : float =
        torch.nn.utils.clip_grad_norm_ ([| for parameter in parameters -> parameter.Value :?> Parameter |], largest)

    let step (factor: float) (parameter: Remembered) (gradient: torch.Tensor) =
        let rate = parameter.Rate * factor
        parameter.Steps <- parameter.Steps + 1L
        let mean, square = parameter.Mean, parameter.Square

        parameter.Value.mul_ (scalar (1.0 - rate * parameter.Decay)) |> ignore
        mean.mul_(scalar beta1).add_(gradient, scalar (1.0 - beta1)) |> ignore

        square.mul_(scalar beta2).addcmul_(gradient, gradient, scalar (1.0 - beta2))
        |> ignore

        let unbiased = sqrt (1.0 - Math.Pow(beta2, float parameter.Steps))
        let spread = (square.sqrt () / scalar unbiased).add_(scalar settings.Eps)
        let length = rate / (1.0 - Math.Pow(beta1, float parameter.Steps))
        parameter.Value.addcdiv_ (mean, spread, scalar -length) |> ignore

    /// Clears the gradients of the step before.
    member _.ZeroGradients() : unit =
        for parameter in parameters do
            use gradient = parameter.Value.grad

            if not (isNull gradient) then
                gradient.zero_ () |> ignore

    /// Divides the gradient by the factor that its loss was multiplied with.
    member _.UnscaleGradients(scale: float) : unit =
        if scale <> 1.0 then
            use _ = torch.no_grad ()

            for parameter in parameters do
                use gradient = parameter.Value.grad

                if not (isNull gradient) then
                    gradient.mul_ (scalar (1.0 / scale)) |> ignore

    /// Scales the gradient down to the settings' largest norm and returns the norm it had: not a number or infinite where the gradient
    /// is; nothing may be stepped then.
    member _.ClipGradients() : float = clipNorm settings.ClipNorm

    /// The same where several processes agree on the norm, so that all scale by the same bits.
    member _.ClipGradients(agree: float -> float) : float =
        // longer than any gradient: here it is measured only, and scaled below by what all agree on
        let norm = agree (clipNorm 1e30)
        let factor = settings.ClipNorm / (norm + 1e-6)

        if factor < 1.0 then
            use _ = torch.no_grad ()

            for parameter in parameters do
                use gradient = parameter.Value.grad

                if not (isNull gradient) then
                    gradient.mul_ (torch.tensor (factor, dtype = torch.float32, device = gradient.device))
                    |> ignore

        norm

    /// One step with every learning rate times `factor`. A parameter without a gradient stays as it is.
    member _.Step(factor: float) : unit =
        use _ = torch.no_grad ()

        for parameter in parameters do
            use _ = torch.NewDisposeScope()
            let gradient = parameter.Value.grad

            if not (isNull gradient) then
                step factor parameter gradient

    /// Running means of gradients and of their squares, and the number of steps, under `optimiser.` names. The tensors are the
    /// optimiser's own; the counter is a new one.
    member _.State() : (string * torch.Tensor) list =
        [
            for parameter in parameters do
                $"{prefix}exp_avg.{parameter.Name}", parameter.Mean
                $"{prefix}exp_avg_sq.{parameter.Name}", parameter.Square
                $"{prefix}step.{parameter.Name}", torch.tensor (parameter.Steps, dtype = torch.int64)
        ]

    /// What `State` gives, as a checkpoint should hold it.
    member _.ExpectedState() : ExpectedTensor[] =
        [|
            for parameter in parameters do
                ExpectedTensor($"{prefix}exp_avg.{parameter.Name}", parameter.Value.shape, ElementType.Float32)
                ExpectedTensor($"{prefix}exp_avg_sq.{parameter.Name}", parameter.Value.shape, ElementType.Float32)
                ExpectedTensor($"{prefix}step.{parameter.Name}", [||], ElementType.Int64)
        |]

    /// Takes up a state that was written by `State`.
    member _.Restore(stored: IReadOnlyDictionary<string, torch.Tensor>) : unit =
        use _ = torch.no_grad ()

        for parameter in parameters do
            parameter.Mean.copy_ stored[$"{prefix}exp_avg.{parameter.Name}"] |> ignore
            parameter.Square.copy_ stored[$"{prefix}exp_avg_sq.{parameter.Name}"] |> ignore
            parameter.Steps <- stored[$"{prefix}step.{parameter.Name}"].item<int64>()

    interface IDisposable with
        member _.Dispose() =
            for parameter in parameters do
                parameter.Mean.Dispose()
                parameter.Square.Dispose()
