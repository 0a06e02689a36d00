namespace DeqDet.Detection

open System
open DeqDet
open DeqDet.Communication

/// What is said of a training that ends otherwise than at its end.
module TrainingFailure =

    /// Why training ends after too many bad steps in a row; its state is saved. `lastBad`: what was not finite in the last one, and its images.
    let gaveUp (progress: Progress) (lastBad: (string list * string seq) option) : exn =
        let faults, images = lastBad |> Option.defaultValue ([], [])
        let faults, images = String.concat ", " faults, String.concat ", " images

        TrainingDivergedException(
            $"training stopped at step {progress.Step}: {progress.BadSteps} steps in a row were bad (train.bad_steps), and changed nothing; not finite in the last one: {faults}; images {images}"
        )

    /// An error with a note on what has been saved, of the same type where the program ends otherwise for it. `rate`: the learning rate that was
    /// trained with.
    let withNote (rate: float) (note: string) (error: exn) : exn =
        match error with
        | :? ProcessLostException as lost -> ProcessLostException(lost.ExitCode, $"{lost.Message}; {note}")
        | :? InputError -> InputError($"{error.Message}; {note}", error)
        | :? TrainingDivergedException ->
            TrainingDivergedException(
                $"{error.Message}; {note}. Try a lower rate (--set optimiser.lr={rate / 2.0:g3}) or a longer warm-up"
            )
        | _ -> Exception($"{error.Message}; {note}", error)
