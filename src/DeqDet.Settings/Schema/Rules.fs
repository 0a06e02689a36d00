namespace DeqDet.Settings.Schema

open DeqDet
open DeqDet.Model
open DeqDet.Model.Backbones
open DeqDet.Settings

/// What the keys of a section must obey together, when each is right by itself.
module Rules =

    let private counted (number: int) (what: string) =
        if number = 1 then $"1 {what}" else $"{number} {what}s"

    let private isSwin kind =
        match BackboneForm.ofKind kind with
        | Windowed _ -> true
        | Residual _
        | Inverted _ -> false

    let private isMobileNet kind =
        match BackboneForm.ofKind kind with
        | Inverted _ -> true
        | Residual _
        | Windowed _ -> false

    let private backbone (backbone: BackboneSettings) =
        [
            if isSwin backbone.Kind && backbone.Norm = Batch then
                {
                    Keys = [ "norm"; "kind" ]
                    Text = "is \"batch\", but a Swin has no batch normalisation; leave it at \"frozen\""
                }
            if isSwin backbone.Kind && backbone.Width <> 64 then
                {
                    Keys = [ "width"; "kind" ]
                    Text = $"is {backbone.Width}, but a Swin's width cannot be set; leave it at 64"
                }
            if not (isMobileNet backbone.Kind) && backbone.Padding = Same then
                {
                    Keys = [ "padding"; "kind" ]
                    Text = "is \"same\", but only a MobileNet's padding can be set; leave it at \"symmetric\""
                }
            if not (isSwin backbone.Kind) && backbone.DropPath > 0.0 then
                {
                    Keys = [ "drop_path"; "kind" ]
                    Text = $"is {backbone.DropPath}, but only Swins drop paths; set it to 0"
                }
        ]

    /// Groups of the neck's group normalisation.
    let private neckGroups = 32

    let rec private greatestCommonDivisor a b =
        if b = 0 then a else greatestCommonDivisor b (a % b)

    let private leastCommonMultiple a b = a / greatestCommonDivisor a b * b

    let private head (head: HeadSettings) =
        [
            let unit =
                [ neckGroups; head.Heads; head.Groups ] |> List.reduce leastCommonMultiple

            if head.Channels % unit <> 0 then
                let next = (head.Channels / unit + 1) * unit

                {
                    Keys = [ "channels"; "heads"; "groups" ]
                    Text =
                        $"is {head.Channels}, but must be a multiple of {neckGroups} (groups of the neck's normalisation), "
                        + $"of heads = {head.Heads} and of groups = {head.Groups}; use for example {next}"
                }

            if not head.StageWeights.IsEmpty && head.StageWeights.Length <> head.Stages then
                let weights = counted head.StageWeights.Length "weight"
                let stages = counted head.Stages "stage"

                {
                    Keys = [ "stage_weights"; "stages" ]
                    Text = $"holds {weights} for {stages}; give one a stage, or [] for 1 everywhere"
                }
        ]

    let private terms (weights: TermWeights) =
        [
            if weights.Focal + weights.L1 + weights.GIoU = 0.0 then
                {
                    Keys = [ "focal"; "l1"; "giou" ]
                    Text = "is 0, and so are l1 and giou; at least one weight must be above 0"
                }
        ]

    let private resize (resize: ResizeSettings) =
        [
            if resize.LongMax < resize.ShortSide then
                {
                    Keys = [ "long_max"; "short_side" ]
                    Text =
                        $"is {resize.LongMax}, below short_side = {resize.ShortSide}; use at least {resize.ShortSide}"
                }
        ]

    let private crop (crop: CropSettings) =
        [
            if crop.MaxSize < crop.MinSize then
                {
                    Keys = [ "max_size"; "min_size" ]
                    Text = $"is {crop.MaxSize}, below min_size = {crop.MinSize}; use at least {crop.MinSize}"
                }
        ]

    let private mosaic (mosaic: MosaicSettings) =
        [
            if mosaic.MaxScale < mosaic.MinScale then
                {
                    Keys = [ "max_scale"; "min_scale" ]
                    Text = $"is {mosaic.MaxScale}, below min_scale = {mosaic.MinScale}; use at least {mosaic.MinScale}"
                }
        ]

    let private data (data: DataSettings) =
        [
            let largest = List.max data.Augment.ShortSides

            if largest > data.Resize.LongMax then
                {
                    Keys = [ "augment.short_sides"; "resize.long_max" ]
                    Text =
                        $"holds {largest}, beyond resize.long_max = {data.Resize.LongMax}; lower it or raise long_max"
                }
        ]

    let private rule (rule: OptimiserRule) =
        [
            if rule.Match = "" then
                {
                    Keys = [ "match" ]
                    Text = "is missing: say which parameters the rule is for, for example \"bbox_head\""
                }
        ]

    let private rename (rename: ClassRename) =
        [
            for key, name, what in
                [
                    "old", rename.Old, "the class in the checkpoint"
                    "new", rename.New, "the class in the data"
                ] do
                if name = "" then
                    {
                        Keys = [ key ]
                        Text = $"is missing: name {what}, for example {{ \"old\": \"person\", \"new\": \"player\" }}"
                    }
        ]

    let private supervised (detector: DetectorSettings) =
        let steps = detector.Solver.Steps

        let within, beyond =
            detector.Rag.Supervised |> List.partition (fun step -> step <= steps)

        let joined separator (numbers: int list) =
            numbers |> List.map string |> String.concat separator

        [
            if not beyond.IsEmpty then
                let named = joined ", " beyond
                let what = if beyond.Tail.IsEmpty then "a step" else "steps"
                let instead = within @ [ steps ] |> List.distinct |> joined ","

                {
                    Keys = [ "rag.supervised"; "solver.steps" ]
                    Text = $"names {what} beyond solver.steps = {steps}: {named}; use for example [{instead}]"
                }
        ]

    /// Names and beginnings of names that a pattern may have meant.
    let private near (names: string list) (pattern: string) : string =
        let word = pattern.Replace("*", "").Trim '.'

        let beginnings (name: string) =
            let parts = name.Split '.'
            [ for length in 1 .. parts.Length -> String.concat "." parts[.. length - 1] ]

        names
        |> List.collect beginnings
        |> List.distinct
        |> List.sortBy (Nearest.distance word)
        |> List.truncate 3
        |> String.concat ", "

    let private freeze (settings: Settings) =
        let optimiser = settings.Optimiser

        if optimiser.Freeze.IsEmpty then
            []
        else
            let parameters =
                Detector.specs settings.Detector
                |> List.filter (fun spec -> spec.Role = Parameter)

            let names = parameters |> List.map _.Name

            [
                for pattern in optimiser.Freeze do
                    if not (names |> List.exists (OptimiserRules.matches pattern)) then
                        {
                            Keys = [ "optimiser.freeze" ]
                            Text =
                                $"holds \"{pattern}\", which occurs in no parameter's name; near are {near names pattern}"
                        }

                if
                    parameters
                    |> List.forall (fun spec -> not spec.Trainable || OptimiserRules.isFrozen optimiser spec.Name)
                then
                    {
                        Keys = [ "optimiser.freeze" ]
                        Text = "leaves nothing to train; take a pattern out"
                    }
            ]

    /// What is wrong with a section, given its record.
    let check (section: obj) : Finding list =
        match section with
        | :? BackboneSettings as section -> backbone section
        | :? HeadSettings as section -> head section
        | :? TermWeights as section -> terms section
        | :? ResizeSettings as section -> resize section
        | :? CropSettings as section -> crop section
        | :? MosaicSettings as section -> mosaic section
        | :? DataSettings as section -> data section
        | :? OptimiserRule as section -> rule section
        | :? ClassRename as section -> rename section
        | :? Settings as section -> supervised section.Detector @ freeze section
        | _ -> []
