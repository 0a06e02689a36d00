namespace DeqDet.Settings

open DeqDet
open DeqDet.Settings.Schema

/// What the settings of a run may change when it is resumed: each field says so by its attribute.
module ResumedSettings =

    /// Settings that may differ without a word. What the data are is compared by itself, wherever they lie.
    let private isFree (change: Change) = change.Rule = Free

    /// Lines that say which settings are others from here on, for those that may change on purpose. Raises InputError, naming all of them
    /// with both values, where settings differ that a resumed run has to keep. `file` is the checkpoint, `before` what it was trained with.
    let changes (file: string) (before: Settings) (now: Settings) : string list =
        // a number of classes that is left to the data is the data's to compare
        let now =
            if now.Detector.Classes = 0 then
                { now with
                    Detector =
                        { now.Detector with
                            Classes = before.Detector.Classes
                        }
                }
            else
                now

        let refused, taken =
            SettingsSchema.compare before now
            |> List.filter (isFree >> not)
            |> List.partition (fun change -> change.Rule = Fixed)

        match refused with
        | [] -> ()
        | [ only ] ->
            raise (
                InputError
                    $"{file}: a run that is resumed keeps {only.Key}: it was {only.Before}, and would be {only.Now}; leave it as it was, or start a new run without --resume"
            )
        | several ->
            let lines =
                [
                    for change in several -> $"\n  {change.Key} was {change.Before}, and would be {change.Now}"
                ]
                |> String.concat ""

            raise (
                InputError
                    $"{file}: a run that is resumed keeps these {several.Length} settings; leave them as they were, or start a new run without --resume:{lines}"
            )

        [
            for change in taken -> $"{change.Key} is {change.Now} from here on; it was {change.Before}"
        ]
