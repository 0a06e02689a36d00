namespace DeqDet.Detection

open System
open System.Collections.Generic
open TorchSharp
open DeqDet.Data
open DeqDet.Model

/// What one step of a training is computed with, the same at every step.
type StepWork =
    {
        Device: torch.Device
        /// Everything random in a step is drawn from this and the step's number.
        Seed: int64
        /// Parts in which this process computes its images, one after the other.
        Parts: int
        Processes: Processes
        /// Sums the gradients of several processes; None in one alone.
        Sums: GradientSums option
    }

/// What became of a step.
type StepOutcome =
    /// The weights have moved: the entries of the log, the norm that the gradient had, and the factor that its loss was computed with.
    | Moved of losses: KeyValuePair<string, float>[] * gradNorm: float * scale: LossScale
    /// Nothing has changed, for what is named was not finite.
    | Bad of losses: KeyValuePair<string, float>[] * gradNorm: float * faults: string list

/// One optimiser step on one batch.
module TrainingStep =

    let private randomStream = 0x57E9L

    /// Tensors that the forward pass changes: stored statistics of batch normalisations.
    let private buffers (detector: Detector) =
        [
            for spec, tensor in detector.Tensors do
                if spec.Role = Buffer && not spec.Integer then
                    spec.Name, tensor
        ]

    /// Numbers of a part by name, and which tensors are not finite, in one transfer from the device.
    let private read (entries: LossEntry list) (buffers: (string * torch.Tensor) list) =
        let numbers = [ for entry in entries -> entry.Value.``to`` torch.float64 ]

        let finite =
            [ for _, tensor in buffers -> tensor.isfinite().all().``to`` torch.float64 ]

        let values =
            torch.stack(Array.ofList (numbers @ finite)).cpu().data<float>().ToArray()

        let losses =
            [|
                for i, entry in List.indexed entries -> KeyValuePair(entry.Name, values[i])
            |]

        let broken =
            [
                for i, (name, _) in List.indexed buffers do
                    if values[entries.Length + i] <> 1.0 then
                        name
            ]

        losses, broken

    /// The parts of a batch of so many images: first image and number of each. Where processes exchange statistics, each computes the same
    /// number of parts, and a part for which nothing is left is one image that does not count.
    let private parts (work: StepWork) (exchanges: bool) (images: int) : struct (int * int * bool) list =
        [
            for part in 0 .. work.Parts - 1 do
                let struct (first, count) = BatchShare(part, work.Parts).Of images

                if count > 0 then
                    struct (first, count, true)
                elif exchanges then
                    struct (0, 1, false)
        ]

    /// Queries that are matched with the boxes of a batch.
    let private matched (state: TrainingState) (batch: Batch) : int64 =
        Share.matched state.Detector.Settings.Queries.Count [ for image in batch.Images -> image.Boxes.Length ]

    /// Forward and backward passes of a batch of which so many queries are matched in all: entries of the log summed over parts and processes, and the stored statistics that are not
    /// finite.
    let private gradients (matched: int64) (work: StepWork) (state: TrainingState) (batch: Batch) =
        let detector, processes, place = state.Detector, work.Processes, batch.Place

        let exchange =
            processes.Exchange
            |> Option.filter (fun _ -> detector.Settings.Backbone.Norm = Batch)

        let whole =
            {
                Batch = int64 place.Files.Count
                First = int64 place.First
                Count = int64 batch.Images.Count
                Counts = place.Counts
                Matched = matched
                LossScale = state.LossScale.Scale
                Exchange = exchange
                DecoderDone = ignore
            }

        let images, targets =
            BatchTensors.images work.Device batch, BatchTensors.targets work.Device batch

        let compute isLast struct (first: int, count: int, counts) =
            // a generator in the same state for each part: what is drawn, is drawn for the whole batch
            use generator =
                let random =
                    SplitMix64.For(work.Seed, ReadOnlySpan [| randomStream; state.Progress.Step |])

                new torch.Generator(random.Next(), torch.CPU)

            let share =
                { whole with
                    First = whole.First + int64 first
                    Count = int64 count
                    Counts = whole.Counts && counts
                    DecoderDone =
                        fun () ->
                            if isLast then
                                work.Sums |> Option.iter _.StartDecoder()
                }

            let targets =
                if counts then
                    targets[first .. first + count - 1]
                else
                    [ Target.none targets[first] ]

            let entries =
                Detector.trainShare
                    share
                    detector
                    {
                        Images = images.Images.narrow (0L, int64 first, int64 count)
                        Sizes = images.Sizes[first .. first + count - 1]
                    }
                    targets
                    generator

            processes.Check()
            read entries (if isLast then buffers detector else [])

        let parts = parts work exchange.IsSome batch.Images.Count

        let read = parts |> List.mapi (fun i part -> compute (i = parts.Length - 1) part)

        work.Sums |> Option.iter _.Finish()

        let broken = List.collect snd read

        let sums =
            read
            |> List.map (fst >> Array.map _.Value)
            |> List.reduce (Array.map2 (+))
            |> Array.append [| float broken.Length |]
            |> processes.Sum

        let losses =
            [|
                for entry, sum in Array.zip (fst read.Head) sums[1..] -> KeyValuePair(entry.Key, sum)
            |]

        losses,
        (if broken.IsEmpty && sums[0] > 0.0 then
             [ "statistics of another process" ]
         else
             broken)

    /// The forward and backward passes of a step, clipped, and the faults in what they found: what is not finite. After a fault or an error
    /// the detector is as it was before, and without `keep` always.
    let private once (keep: bool) (matched: int64) (work: StepWork) (state: TrainingState) (batch: Batch) =
        use _ = torch.NewDisposeScope()
        let detector, optimiser = state.Detector, state.Optimiser
        let buffers = buffers detector
        let before = [ for _, tensor in buffers -> tensor.clone () ]

        let restore () =
            use _ = torch.no_grad ()

            for (_, tensor), saved in List.zip buffers before do
                tensor.copy_ saved |> ignore

        let compute () =
            optimiser.ZeroGradients()
            let losses, broken = gradients matched work state batch
            optimiser.UnscaleGradients state.LossScale.Scale
            // clipped by the same number in every process, whose weights stay the same to the last bit
            let norm =
                if work.Processes.IsAlone then
                    optimiser.ClipGradients()
                else
                    optimiser.ClipGradients work.Processes.OfFirst

            let faults =
                [
                    for entry in losses do
                        if not (Double.IsFinite entry.Value) then
                            entry.Key

                    if not (Double.IsFinite norm) then
                        $"the gradient's norm ({norm})"

                    yield! broken
                ]

            if not (keep && faults.IsEmpty) then
                restore ()

            losses, norm, faults

        try
            compute ()
        with _ ->
            restore ()
            reraise ()

    /// Whether a step that failed can be computed anew: not where other processes already have a part of it.
    let private isOwn (work: StepWork) (state: TrainingState) =
        work.Processes.IsAlone
        || state.Detector.Settings.Backbone.Norm <> Batch
           && work.Sums |> Option.forall (fun sums -> not sums.Started)

    /// Forward and backward pass, clipping, and a step with every learning rate times `factor`; the seed and the number of the step (from 0)
    /// decide everything random. Where memory does not suffice, once more in twice as many parts; where gradients leave float16's range,
    /// anew with half the factor on the loss. After any error detector and optimiser are as they were before.
    let run (work: StepWork) (state: TrainingState) (factor: float) (batch: Batch) : StepOutcome =
        // once, however often the step is computed: the other processes do not repeat it
        let matched = int64 (work.Processes.Sum([| float (matched state batch) |])[0])

        let compute scale =
            let inParts parts =
                once true matched { work with Parts = parts } { state with LossScale = scale } batch

            OutOfMemory.inHalves inParts (fun () -> isOwn work state) work.Parts batch.Images.Count

        // losses are finite, and so are stored statistics: nothing but gradients left float16's range
        let overflows (_, norm, faults: string list) =
            faults.Length = 1 && not (Double.IsFinite norm)

        match LossScale.search compute overflows state.LossScale with
        | (losses, norm, []), scale ->
            state.Optimiser.Step factor
            state.Averages |> Option.iter _.Follow(state.Progress.Step + 1L)
            Moved(losses, norm, LossScale.good state.Detector.Computation.Precision scale)
        | (losses, norm, faults), _ -> Bad(losses, norm, faults)

    /// Forward and backward pass alone, of a batch that needs as much memory as any will, in this process for itself: the number of parts in which
    /// it fits, as many as asked for or twice as many. Nothing has changed afterwards. Raises what libtorch raises where memory does not suffice.
    let tryOut (work: StepWork) (state: TrainingState) (batch: Batch) : int =
        let alone =
            { work with
                Processes = Processes.Alone
                Sums = None
            }

        let compute parts =
            once false (matched state batch) { alone with Parts = parts } state batch
            |> ignore

            parts

        let found =
            OutOfMemory.inHalves compute (fun () -> true) work.Parts batch.Images.Count

        state.Optimiser.ZeroGradients()
        found
