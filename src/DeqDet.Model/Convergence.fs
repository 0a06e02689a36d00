namespace DeqDet.Model

/// How the queries of one image move while a head is iterated: numbers by application (the first one first) and query. Each says how
/// far the application took the query; NaN where a number was not finite.
type ResidualPath =
    {
        /// Method that chose the states, as people call it.
        Scheme: string
        /// The residual that tolerances are about (`QueryState.measure`).
        Residual: float[][]
        /// Its part for positions (`QueryState.shift`), in sizes of the box.
        Shift: float[][]
        /// Its part for contents (`QueryState.change`), in lengths of the content.
        Change: float[][]
    }
