/// Generators for tests.
module DeqDet.Tests.Seeded

open System
open DeqDet.Data

/// A generator with a seed.
let randomOf (seed: int64) =
    SplitMix64.For(seed, ReadOnlySpan<int64>())
