namespace DeqDet.Detection

open System
open DeqDet

/// A loss at the beginning of a training and at its end, each the mean of a tenth of the steps.
type LossCourse =
    {
        First: float
        /// The tenth before the last fifth.
        Before: float
        Last: float
    }

/// What is known of a detector that was to learn a few images by heart.
type OverfitEvidence =
    {
        Outlook: DataOutlook
        /// Numbers that are trained.
        Trainable: int64
        /// The backbone's weights are random, and a part of it does not train, or its normalisations have statistics of nothing.
        RandomFrozenBackbone: bool
        /// Mean and standard deviation of the pixels as they enter the network.
        InputMean: float
        InputDeviation: float
        Steps: int
        BadSteps: int
        /// The base learning rate, and its sum over all steps with the factors of the schedule.
        Rate: float
        Travel: float
        /// All losses together.
        Loss: LossCourse
        /// On the images that were trained on: by COCO's rules at an overlap of 0.5, the same without regard to classes, and at 0.1.
        Ap50: float
        Ap50OfAnyClass: float
        Ap10: float
        /// Boxes that no detection of their class with a score of 0.3 overlaps by half, and how many of them are tiny (`DataOutlook.Tiny`).
        Missed: int
        MissedTiny: int
    }

/// Something that is wrong.
type Diagnosis =
    {
        /// In a word or two.
        Name: string
        /// What it is, and what to do about it.
        Text: string
    }

/// Why a detector did not learn a few images by heart: each question a function of the evidence, None where it does not apply.
module OverfitDiagnosis =

    /// AP50 from which images count as learned.
    let learned = 0.99

    let private number (value: float) =
        value.ToString("g3", Globalization.CultureInfo.InvariantCulture)

    let private ap (value: float) =
        value.ToString("0.000", Globalization.CultureInfo.InvariantCulture)

    let private because condition name (text: unit -> string) : Diagnosis option =
        if condition then
            Some { Name = name; Text = text () }
        else
            None

    /// Nothing can move.
    let nothingTrains (evidence: OverfitEvidence) : Diagnosis option =
        because (evidence.Trainable = 0L) "nothing trains" (fun () ->
            "no weight is trained: the settings freeze everything; look at optimiser.freeze and backbone.frozen_stages")

    /// Steps that were not finite.
    let badSteps (evidence: OverfitEvidence) : Diagnosis option =
        because (evidence.BadSteps * 20 > evidence.Steps) "bad steps" (fun () ->
            $"""{evidence.BadSteps} of {Counted.Of(evidence.Steps, "step")} changed nothing, as loss or gradient were not finite; lower optimiser.lr (now {number evidence.Rate}), and look at data.normalise""")

    /// Pixels far from the order of 1 as they enter the network.
    let input (evidence: OverfitEvidence) : Diagnosis option =
        let mean, deviation = evidence.InputMean, evidence.InputDeviation

        because
            (evidence.Steps > 0
             && (not (Double.IsFinite mean)
                 || not (deviation >= 0.05 && deviation <= 150.0)
                 || abs mean > 3.0 * max 1.0 deviation))
            "input"
            (fun () ->
                $"the pixels enter the network with mean {number mean} and deviation {number deviation}; they should be of the order of 1: data.normalise takes mean and std of values from 0 to 255, not from 0 to 1")

    /// Random weights that never change.
    let randomBackbone (evidence: OverfitEvidence) : Diagnosis option =
        because evidence.RandomFrozenBackbone "frozen random backbone" (fun () ->
            "the backbone starts from random weights, and a part of it, or its normalisation, is frozen as for pretrained ones; give backbone.weights, or set backbone.frozen_stages=-1 and backbone.norm=batch")

    let private falls (evidence: OverfitEvidence) =
        evidence.Loss.Last < 0.7 * evidence.Loss.First

    /// The way that a weight must be able to go before much can change: AdamW moves each by about the rate in a step.
    let private leastTravel = 0.03

    /// The loss stays or rises.
    let loss (evidence: OverfitEvidence) : Diagnosis option =
        let course = evidence.Loss

        because (evidence.Trainable > 0L && not (falls evidence)) "the loss does not fall" (fun () ->
            let from = $"the loss goes from {number course.First} to {number course.Last}"

            if evidence.Travel < leastTravel && not (course.Last > 1.1 * course.First) then
                $"""{from}: the rate is too low to get anywhere, {number evidence.Rate} with which a weight moves by at most {number evidence.Travel} in {Counted.Of(evidence.Steps, "step")}; raise optimiser.lr or shorten schedule.warmup_steps"""
            else
                $"{from} with a rate of {number evidence.Rate}: it is too high; try optimiser.lr={number (evidence.Rate / 10.0)}")

    /// Time was all that lacked.
    let unfinished (evidence: OverfitEvidence) : Diagnosis option =
        because
            (falls evidence
             && evidence.Ap50 < learned
             && evidence.Loss.Last < 0.85 * evidence.Loss.Before)
            "not done yet"
            (fun () ->
                $"the loss was still falling at the end, from {number evidence.Loss.Before} to {number evidence.Loss.Last}; allow more steps with --max-steps")

    /// More objects than can be found.
    let queries (evidence: OverfitEvidence) : Diagnosis option =
        let outlook = evidence.Outlook

        because (outlook.BoxesWithoutQuery > 0) "too few queries" (fun () ->
            $"""{Counted.Of(outlook.CrowdedImages, "image")} {(if outlook.CrowdedImages = 1 then "has" else "have")} more objects (up to {outlook.MostBoxes}) than the detector has queries ({outlook.Queries}), so {Counted.Of(outlook.BoxesWithoutQuery, "box", "boxes")} cannot be found; raise queries.count""")

    /// What is missed is hardly there after the resize.
    let tiny (evidence: OverfitEvidence) : Diagnosis option =
        because (evidence.MissedTiny > 0 && 2 * evidence.MissedTiny >= evidence.Missed) "objects too small" (fun () ->
            $"""{evidence.MissedTiny} of the {Counted.Of(evidence.Missed, "box", "boxes")} that {(if evidence.Missed = 1 then "is" else "are")} missed {(if evidence.MissedTiny = 1 then "is" else "are")} smaller than {DataOutlook.Tiny} px after the resize; raise data.resize and data.augment.short_sides, or cut the images up""")

    /// Objects that cannot have both classes.
    let contradictions (evidence: OverfitEvidence) : Diagnosis option =
        let pairs = evidence.Outlook.Contradictions

        because (pairs > 0) "contradicting labels" (fun () ->
            $"""{Counted.Of(pairs, "pair")} of boxes {(if pairs = 1 then "lies" else "lie")} at one place with different classes; mend the annotations""")

    /// Where things are was learned, what they are not.
    let classes (evidence: OverfitEvidence) : Diagnosis option =
        because
            (falls evidence
             && evidence.Ap50OfAnyClass >= 0.9
             && evidence.Ap50 < evidence.Ap50OfAnyClass - 0.05)
            "boxes learned, classes not"
            (fun () ->
                $"without regard to classes AP50 is {ap evidence.Ap50OfAnyClass}, with them {ap evidence.Ap50}: objects are found but called by a wrong name; look at the labels, and at loss.weights.focal and matching.focal")

    /// What things are was learned, where exactly not.
    let boxes (evidence: OverfitEvidence) : Diagnosis option =
        because
            (falls evidence && evidence.Ap10 >= 0.9 && evidence.Ap50 < evidence.Ap10 - 0.05)
            "classes learned, boxes not"
            (fun () ->
                $"at an overlap of 0.1 AP is {ap evidence.Ap10}, at 0.5 {ap evidence.Ap50}: objects are found and named, but their boxes are not exact; look at the annotations' form, at loss.weights.l1 and giou, and at rap.position_intensity, which has to suit the size of the images")

    let private all =
        [
            nothingTrains
            badSteps
            input
            randomBackbone
            loss
            queries
            tiny
            contradictions
            classes
            boxes
            unfinished
        ]

    /// Everything that is wrong, what hinders most first; one that says so where nothing stands out.
    let ofEvidence (evidence: OverfitEvidence) : Diagnosis list =
        match List.choose (fun ask -> ask evidence) all with
        | [] ->
            [
                {
                    Name = "nothing stands out"
                    Text =
                        $"the loss fell from {number evidence.Loss.First} to {number evidence.Loss.Last}, and AP50 is {ap evidence.Ap50}; allow more steps with --max-steps, or try a higher or lower optimiser.lr"
                }
            ]
        | found -> found
