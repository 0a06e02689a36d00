namespace DeqDet.Detection

open TorchSharp
open DeqDet
open DeqDet.Kernels
open DeqDet.Model
open DeqDet.Settings
open DeqDet.Settings.Schema

/// In which numbers a training computes its large layers, and where it can.
module TrainingPrecision =

    /// What the kernels call a setting on a device.
    let ofNumbers (device: torch.Device) (numbers: TrainingNumbers) : Precision =
        match numbers with
        | TrainingNumbers.Float32 -> Precision.Fp32
        | TrainingNumbers.BFloat16 -> Precision.Bf16
        | TrainingNumbers.Float16 -> Precision.Fp16
        | TrainingNumbers.Fastest when device.``type`` = DeviceType.CPU && Computation.Supports Precision.Bf16 ->
            Precision.Bf16
        | TrainingNumbers.Fastest -> Precision.Fp32

    /// Settings with the numbers that `auto` stands for on a device in its place, so that they say what the run computes in.
    let settled (device: torch.Device) (settings: Settings) : Settings =
        match settings.Train.Precision with
        | TrainingNumbers.Fastest ->
            { settings with
                Train.Precision =
                    if ofNumbers device TrainingNumbers.Fastest = Precision.Bf16 then
                        TrainingNumbers.BFloat16
                    else
                        TrainingNumbers.Float32
            }
        | _ -> settings

    /// What settings files call it.
    let word (numbers: TrainingNumbers) : string =
        Words.all<TrainingNumbers> |> List.find (fun (_, case) -> case = numbers) |> fst

    /// Raises InputError where a device has no instructions for the numbers: libtorch could do it all the same, many times slower than in float32.
    let check (device: torch.Device) (numbers: TrainingNumbers) : unit =
        let instead = "use train.precision=fp32"

        if device.``type`` = DeviceType.CPU then
            match numbers, Computation.Lacking(ofNumbers device numbers) with
            | TrainingNumbers.Fastest, _
            | TrainingNumbers.Float32, _
            | TrainingNumbers.BFloat16, null -> ()
            | TrainingNumbers.BFloat16, lacking ->
                raise (InputError $"train.precision=bf16: this processor lacks {lacking}; {instead}")
            | TrainingNumbers.Float16, _ ->
                let also =
                    if Computation.Supports Precision.Bf16 then
                        " or train.precision=bf16"
                    else
                        ""

                raise (
                    InputError
                        $"train.precision=fp16 is for GPUs, and this training is to run on the CPU; {instead}{also}"
                )

    /// The precision and why, for people.
    let describe (device: torch.Device) (numbers: TrainingNumbers) : string =
        match ofNumbers device numbers with
        | Precision.Fp32 when device.``type`` <> DeviceType.CPU -> "fp32 (train.precision)"
        | Precision.Fp32 when Computation.Supports Precision.Bf16 ->
            "fp32 (train.precision); this processor has instructions for bf16, too"
        | Precision.Fp32 -> "fp32 (train.precision); this processor has no instructions for bf16"
        | Precision.Bf16 -> "bf16 for backbone, neck and large layers (train.precision), fp32 for the rest"
        | _ -> "fp16 for backbone, neck and large layers (train.precision) with a scaled loss, fp32 for the rest"

    /// The detector in training as it is validated: in float32, whatever it trains in, so that `test` finds the same. It shares its weights; `release`
    /// frees what it keeps beside them.
    let forValidation (detector: Detector) : Detector =
        if detector.Computation.Precision = Precision.Fp32 then
            detector
        else
            Detector.withComputation Computation.Best detector

    /// Frees what `forValidation` has made.
    let release (training: Detector) (validated: Detector) : unit =
        if not (obj.ReferenceEquals(training, validated)) then
            Detector.release validated
