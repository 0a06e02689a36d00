using DeqDet.Verification;

namespace DeqDet.Host.Goldens;

/// <summary>The verification of one golden file or case.</summary>
/// <param name="File">Its path below the folder that is verified, with forward slashes.</param>
/// <param name="Run">
/// Computes everything again and compares. Raises InputError or <see cref="GoldenError"/> for what cannot be read or understood.
/// </param>
public sealed record VerificationJob(string File, Func<IEnumerable<Check>> Run);
