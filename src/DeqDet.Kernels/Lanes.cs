using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DeqDet.Kernels;

/// <summary>
/// The operations of kernels on vectors of float32, so that one text serves every width: each kernel is a generic method that the
/// compiler specialises for a width, down to single instructions.
/// </summary>
internal unsafe interface ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Numbers in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>Vectors beside each other in a tile of matrix products: as many as registers allow at six rows.</summary>
    static abstract int TileVectors { get; }

    static abstract TVector Zero { get; }
    static abstract TVector Load(float* source);
    static abstract void Store(TVector vector, float* target);
    static abstract TVector All(float number);
    static abstract TVector Add(TVector a, TVector b);
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a * b + c, rounded once where the processor can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>0 in the place of negative numbers; NaN stays.</summary>
    static abstract TVector Rectify(TVector vector);

    static abstract float Sum(TVector vector);

    /// <summary>Numbers of bfloat16: the upper halves of float32.</summary>
    static abstract TVector LoadReduced(ushort* source);

    /// <summary>Rounded to the nearest bfloat16, to the even one of two.</summary>
    static abstract void StoreReduced(TVector vector, ushort* target);

    /// <summary>Where a number is positive, that of the other vector; else 0.</summary>
    static abstract TVector WherePositive(TVector condition, TVector value);
}

internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static int Count => 16;
    public static int TileVectors => 4;
    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> vector, float* target) => Vector512.Store(vector, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> All(float number) => Vector512.Create(number);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Rectify(Vector512<float> vector) =>
        Vector512.ConditionalSelect(Vector512.LessThan(vector, Vector512<float>.Zero), Vector512<float>.Zero, vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> vector) => Vector512.Sum(vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> WherePositive(Vector512<float> condition, Vector512<float> value) =>
        Vector512.ConditionalSelect(
            Vector512.GreaterThan(condition, Vector512<float>.Zero),
            value,
            Vector512<float>.Zero
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadReduced(ushort* source)
    {
        var (low, high) = Vector256.Widen(Vector256.Load(source));
        var wide = Vector512.Create(low, high);
        return Vector512.ShiftLeft(wide, 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreReduced(Vector512<float> vector, ushort* target)
    {
        var bits = vector.AsUInt32();
        var odd = Vector512.ShiftRightLogical(bits, 16) & Vector512<uint>.One;
        var rounded = Vector512.ShiftRightLogical(bits + Vector512.Create(0x7FFFu) + odd, 16);
        // rounding could make infinity of NaN
        var whole = Vector512.ConditionalSelect(
            Vector512.Equals(vector, vector).AsUInt32(),
            rounded,
            Vector512.Create(0x7FC0u)
        );
        Vector256.Store(Vector256.Narrow(whole.GetLower(), whole.GetUpper()), target);
    }
}

internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    public static int Count => 8;
    public static int TileVectors => 2;
    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> vector, float* target) => Vector256.Store(vector, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> All(float number) => Vector256.Create(number);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) =>
        Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Rectify(Vector256<float> vector) =>
        Vector256.ConditionalSelect(Vector256.LessThan(vector, Vector256<float>.Zero), Vector256<float>.Zero, vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> vector) => Vector256.Sum(vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> WherePositive(Vector256<float> condition, Vector256<float> value) =>
        Vector256.ConditionalSelect(
            Vector256.GreaterThan(condition, Vector256<float>.Zero),
            value,
            Vector256<float>.Zero
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadReduced(ushort* source)
    {
        var (low, high) = Vector128.Widen(Vector128.Load(source));
        var wide = Vector256.Create(low, high);
        return Vector256.ShiftLeft(wide, 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreReduced(Vector256<float> vector, ushort* target)
    {
        var bits = vector.AsUInt32();
        var odd = Vector256.ShiftRightLogical(bits, 16) & Vector256<uint>.One;
        var rounded = Vector256.ShiftRightLogical(bits + Vector256.Create(0x7FFFu) + odd, 16);
        // rounding could make infinity of NaN
        var whole = Vector256.ConditionalSelect(
            Vector256.Equals(vector, vector).AsUInt32(),
            rounded,
            Vector256.Create(0x7FC0u)
        );
        Vector128.Store(Vector128.Narrow(whole.GetLower(), whole.GetUpper()), target);
    }
}

internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    public static int Count => 4;

    // Arm has 32 registers; x86 without AVX has 16, and is served as well as it can be.
    public static int TileVectors => 4;
    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> vector, float* target) => Vector128.Store(vector, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> All(float number) => Vector128.Create(number);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) =>
        Vector128.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Rectify(Vector128<float> vector) =>
        Vector128.ConditionalSelect(Vector128.LessThan(vector, Vector128<float>.Zero), Vector128<float>.Zero, vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> vector) => Vector128.Sum(vector);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> WherePositive(Vector128<float> condition, Vector128<float> value) =>
        Vector128.ConditionalSelect(
            Vector128.GreaterThan(condition, Vector128<float>.Zero),
            value,
            Vector128<float>.Zero
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadReduced(ushort* source)
    {
        var wide = Vector128.Widen(Vector128.CreateScalar(*(ulong*)source).AsUInt16()).Lower;
        return Vector128.ShiftLeft(wide, 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreReduced(Vector128<float> vector, ushort* target)
    {
        var bits = vector.AsUInt32();
        var odd = Vector128.ShiftRightLogical(bits, 16) & Vector128<uint>.One;
        var rounded = Vector128.ShiftRightLogical(bits + Vector128.Create(0x7FFFu) + odd, 16);
        // rounding could make infinity of NaN
        var whole = Vector128.ConditionalSelect(
            Vector128.Equals(vector, vector).AsUInt32(),
            rounded,
            Vector128.Create(0x7FC0u)
        );
        *(ulong*)target = Vector128.Narrow(whole, whole).AsUInt64().ToScalar();
    }
}
