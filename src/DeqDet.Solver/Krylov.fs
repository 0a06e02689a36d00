namespace DeqDet.Solver

open System
open TorchSharp

/// What a matrix A does to a growing subspace: A V = V H + v b^T, with the k columns of V and v orthonormal (G. W. Stewart,
/// A Krylov-Schur Algorithm for Large Eigenproblems, SIAM J. Matrix Anal. Appl. 23 (2001); H need not be triangular for it).
type internal Krylov =
    {
        /// V and v as rows, float64 [most + 1, d], of which the first k + 1 are in use.
        Vectors: torch.Tensor
        /// H with b^T as its row k, [most + 1, most + 1].
        Projected: float[,]
        /// k.
        Count: int
    }

/// The eigenvalue of H that is largest in modulus.
[<Struct>]
type internal Dominant =
    {
        Modulus: float
        /// By how much it may differ from A's largest, as H was cut off there, and as products are rounded: estimates.
        Truncation: float
        Rounding: float
    }

/// Arnoldi's method with restarts that keep the largest eigenvalues.
module internal Krylov =

    /// Part of a product that must be left when the subspace is taken out of it, or the subspace holds all of it.
    let private independence = 1e-13

    /// Eigenvalues of H of at least this share of the largest modulus are its rivals.
    let private nearby = 0.95

    /// k = 0, v = start / |start| [d].
    let start (most: int) (start: torch.Tensor) : Krylov =
        let vectors =
            torch.zeros (int64 most + 1L, start.shape[0], dtype = torch.float64, device = start.device)

        let row = vectors.select (0, 0)
        row.copy_ start |> ignore
        row.div_ (row.norm ()) |> ignore

        {
            Vectors = vectors
            Projected = Array2D.zeroCreate (most + 1) (most + 1)
            Count = 0
        }

    /// The direction v, of which A's product is wanted next; zeros once the subspace is invariant.
    let direction (krylov: Krylov) : torch.Tensor =
        krylov.Vectors.select (0, int64 krylov.Count)

    let private numbers (tensor: torch.Tensor) : float[] =
        tensor.cpu().contiguous().data<float>().ToArray()

    /// Whether nothing leads out of the subspace: its eigenvalues are A's.
    let invariant (krylov: Krylov) : bool =
        krylov.Count > 0
        && Seq.forall (fun j -> krylov.Projected[krylov.Count, j] = 0.0) (seq { 0 .. krylov.Count - 1 })

    /// The subspace and A v [d].
    let extend (krylov: Krylov) (product: torch.Tensor) : Krylov =
        let k = krylov.Count
        let known = krylov.Vectors.narrow (0, 0, int64 k + 1L)
        let once = known.matmul product
        let rest = product - known.t().matmul once
        // twice is enough: what the first pass left in by rounding
        let again = known.matmul rest
        let rest = rest - known.t().matmul again

        numbers (Native.plus once again)
        |> Array.iteri (fun i value -> krylov.Projected[i, k] <- value)

        let left, whole = rest.norm().item<float>(), product.norm().item<float>()

        if left > independence * whole && int64 k + 1L < product.shape[0] then
            krylov.Projected[k + 1, k] <- left
            krylov.Vectors.select(0, int64 k + 1L).copy_(rest / rest.norm ()) |> ignore
        else
            krylov.Projected[k + 1, k] <- 0.0
            krylov.Vectors.select(0, int64 k + 1L).zero_() |> ignore

        { krylov with Count = k + 1 }

    let private square (krylov: Krylov) =
        torch
            .tensor(
                [|
                    for i in 0 .. krylov.Count - 1 do
                        for j in 0 .. krylov.Count - 1 -> krylov.Projected[i, j]
                |]
            )
            .reshape(int64 krylov.Count, int64 krylov.Count)

    let private border (krylov: Krylov) =
        torch.tensor [| for j in 0 .. krylov.Count - 1 -> krylov.Projected[krylov.Count, j] |]

    /// Condition numbers 1 / |l^H r| of eigenvalues, from their unit right eigenvectors (columns): the rows of the inverse are left
    /// eigenvectors with l^H r = 1. Infinite where there are too few eigenvectors for an inverse.
    let private sensitivities (right: torch.Tensor) : float[] =
        try
            (torch.linalg.inv right).abs().square().sum(1L).sqrt() |> numbers
        with :? Runtime.InteropServices.ExternalException ->
            Array.create (int right.shape[0]) infinity

    /// The largest eigenvalue of H with first-order estimates of its errors: a change E of A moves an eigenvalue by |E| / |l^H r| at
    /// most, l and r its unit left and right eigenvectors. `unit`: relative rounding error of A's products.
    let dominant (unit: float) (krylov: Krylov) : Dominant =
        let matrix = square krylov
        let struct (values, right) = torch.linalg.eig matrix
        let sensitivity = sensitivities right
        let leak = (border krylov).to_type(torch.complex128).matmul(right).abs() |> numbers

        let moduli = values.abs () |> numbers
        let at = moduli |> Array.indexed |> Array.maxBy snd |> fst

        let error i size =
            if size = 0.0 then 0.0 else size * sensitivity[i]

        // An eigenvalue that is found late may turn out to be larger than the one that is largest so far.
        let rivals =
            [
                for i in 0 .. moduli.Length - 1 do
                    if moduli[i] >= nearby * moduli[at] then
                        moduli[i] + error i leak[i] - moduli[at]
            ]

        {
            Modulus = moduli[at]
            Truncation = max 0.0 (List.max rivals)
            Rounding = error at (unit * matrix.norm().item<float>())
        }

    /// The subspace of the `wanted` (or, with a conjugate pair, one more) largest eigenvalues of H; v stays.
    let restart (wanted: int) (krylov: Krylov) : Krylov =
        let k = krylov.Count
        let matrix = square krylov
        let struct (values, right) = torch.linalg.eig matrix
        let moduli, imaginary = numbers (values.abs ()), numbers values.imag
        let real, other = right.real, right.imag

        let columns =
            // of each conjugate pair one: its real and imaginary part span the plane of both
            [| 0 .. k - 1 |]
            |> Array.filter (fun i -> imaginary[i] >= 0.0)
            |> Array.sortByDescending (fun i -> moduli[i])
            |> Array.scan
                (fun (_, count) i ->
                    let parts =
                        if imaginary[i] > 0.0 then
                            [ real.select (1, int64 i); other.select (1, int64 i) ]
                        else
                            [ real.select (1, int64 i) ]

                    (if count < wanted then parts else []), count + parts.Length)
                ([], 0)
            |> Seq.collect fst
            |> Seq.toArray

        let struct (basis, _) = torch.linalg.qr (torch.stack (columns, 1L))
        let turned = basis.t().matmul(matrix).matmul basis |> numbers
        let edge = (border krylov).matmul basis |> numbers
        let kept = columns.Length

        let vectors =
            basis.t().``to``(krylov.Vectors.device).matmul(krylov.Vectors.narrow (0, 0, int64 k))

        let next = (direction krylov).clone()
        krylov.Vectors.narrow(0, 0, int64 kept).copy_ vectors |> ignore
        krylov.Vectors.select(0, int64 kept).copy_ next |> ignore

        let projected =
            Array2D.zeroCreate (krylov.Projected.GetLength 0) (krylov.Projected.GetLength 1)

        for i in 0 .. kept - 1 do
            for j in 0 .. kept - 1 do
                projected[i, j] <- turned[i * kept + j]

            projected[kept, i] <- edge[i]

        { krylov with
            Projected = projected
            Count = kept
        }
