namespace DeqDet.Solver

/// Settings of the damped fixed-point iteration.
type PicardOptions =
    {
        /// t in z + t (f(z) - z): 1 is plain iteration, below 1 calms oscillation.
        Damping: float
    }

/// Damped fixed-point iteration, z <- z + t (f(z) - z) (Picard; Krasnoselskii-Mann for t < 1).
module Picard =

    let defaults: PicardOptions = { Damping = 1.0 }

    /// Raises ArgumentException "damping" outside (0, 2).
    let scheme (options: PicardOptions) : Scheme =
        Scheme.checkDamping options.Damping

        {
            Name =
                if options.Damping = 1.0 then
                    "picard"
                else
                    $"picard(damping {options.Damping})"
            Init = fun _ -> []
            Step =
                fun at ->
                    {
                        Memory = []
                        Next = Scheme.relaxed options.Damping at.State at.Image
                    }
        }
