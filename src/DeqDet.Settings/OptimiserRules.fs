namespace DeqDet.Settings

open System

/// Which parameters train, each with its learning rate and weight decay.
module OptimiserRules =

    /// Whether `pattern` occurs in `name`, `*` standing for any run of characters.
    let matches (pattern: string) (name: string) : bool =
        let next (start: int) (part: string) =
            if start < 0 then
                -1
            else
                match name.IndexOf(part, start, StringComparison.Ordinal) with
                | -1 -> -1
                | at -> at + part.Length

        pattern.Split '*' |> Array.fold next 0 >= 0

    /// Whether a parameter does not train, by its official name: some pattern of `freeze` matches it.
    let isFrozen (optimiser: OptimiserSettings) (name: string) : bool =
        optimiser.Freeze |> List.exists (fun pattern -> matches pattern name)

    /// Learning rate and weight decay of a parameter by its official name. Of the rules that match, the longest counts, of
    /// equally long ones the first in ordinal order (mmengine's custom_keys); without one, the base values hold.
    let forParameter (optimiser: OptimiserSettings) (name: string) : struct (float * float) =
        let rule =
            optimiser.Rules
            |> List.filter (fun rule -> matches rule.Match name)
            |> List.sortWith (fun a b ->
                match compare b.Match.Length a.Match.Length with
                | 0 -> String.CompareOrdinal(a.Match, b.Match)
                | order -> order)
            |> List.tryHead

        match rule with
        | Some rule -> struct (optimiser.Lr * rule.Lr, optimiser.WeightDecay * rule.Decay)
        | None -> struct (optimiser.Lr, optimiser.WeightDecay)
