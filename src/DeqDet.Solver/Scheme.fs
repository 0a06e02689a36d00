namespace DeqDet.Solver

open TorchSharp

/// What a scheme sees after an evaluation: A samples are still active.
type Evaluated =
    {
        /// 0 after the evaluation of the start, then 1, 2, ...
        Number: int
        /// What the scheme remembered, as its `Init` or its last `Step` made it, for the active samples alone.
        Memory: torch.Tensor list
        /// z, [A, ...].
        State: torch.Tensor
        /// f(z), [A, ...].
        Image: torch.Tensor
    }

/// Where a scheme goes next.
type Advanced =
    {
        /// As long as the list that was handed in; each tensor [A, ...].
        Memory: torch.Tensor list
        /// The next state to evaluate, [A, ...].
        Next: torch.Tensor
    }

/// A method to find z = f(z), as a value: what to remember of a start, and the way from an evaluation to the next state.
/// The tensors of the memory have the sample axis first, so that a driver can let samples leave; no sample looks at another.
/// `Step` owns the memory it is given: it may write into it and hand it on. No gradients are recorded around either.
type Scheme =
    {
        /// For people: name and settings.
        Name: string
        /// States [B, ...] -> the memory before the first step.
        Init: torch.Tensor -> torch.Tensor list
        Step: Evaluated -> Advanced
    }

/// Schemes made of schemes, and what they have in common.
module Scheme =

    /// The same method in units that `unitsOf` makes of the start (states [B, ...] -> positive numbers of the same shape): Anderson
    /// and Broyden compare all components of a state with each other, which means little where some are pixels and others are
    /// features. Picard does not: it needs no units.
    let inUnits (unitsOf: torch.Tensor -> torch.Tensor) (scheme: Scheme) : Scheme =
        {
            Name = scheme.Name
            Init =
                fun start ->
                    let units = unitsOf start
                    units :: scheme.Init(start / units)
            Step =
                fun at ->
                    match at.Memory with
                    | units :: memory ->
                        let advanced =
                            scheme.Step
                                { at with
                                    Memory = memory
                                    State = at.State / units
                                    Image = at.Image / units
                                }

                        {
                            Memory = units :: advanced.Memory
                            Next = advanced.Next * units
                        }
                    | [] -> invalidArg (nameof at) "the units are missing from the memory"
        }

    /// Raises ArgumentException "damping" where it is not in (0, 2).
    let internal checkDamping (damping: float) : unit =
        if not (damping > 0.0 && damping < 2.0) then
            invalidArg (nameof damping) $"damping must lie between 0 and 2, not {damping}"

    /// z + damping * (f(z) - z), the image itself where damping is 1.
    let internal relaxed (damping: float) (state: torch.Tensor) (image: torch.Tensor) : torch.Tensor =
        if damping = 1.0 then
            image.alias ()
        else
            Native.plus state (Native.times damping (image - state))

    /// `next`, but `fallback` for the samples in which `next` is not finite.
    let internal finiteOr (fallback: torch.Tensor) (next: torch.Tensor) : torch.Tensor =
        let finite = torch.isfinite(Native.rows next).all(1L, false)
        torch.where (Native.overSamples next finite, next, fallback)
