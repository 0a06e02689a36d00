using System.Runtime.Intrinsics;

namespace DeqDet.Kernels;

/// <summary>The matrix product in the form for some instructions.</summary>
internal static unsafe class MatrixKernels
{
    /// <summary>Columns of B that are computed together.</summary>
    public static int PanelWidth(Instructions instructions) =>
        instructions switch
        {
            Instructions.Avx512 => MatrixProduct<Lanes512, Vector512<float>>.PanelWidth,
            Instructions.Avx2 => MatrixProduct<Lanes256, Vector256<float>>.PanelWidth,
            _ => MatrixProduct<Lanes128, Vector128<float>>.PanelWidth,
        };

    /// <summary>The widest of these instructions, or narrower ones, whose panels so many columns fill; null where none do.</summary>
    public static Instructions? Fitting(Instructions instructions, long columns)
    {
        for (var narrower = instructions; narrower != Instructions.Plain; narrower--)
        {
            if (columns > 0 && columns % PanelWidth(narrower) == 0)
            {
                return narrower;
            }
        }
        return null;
    }

    /// <summary>Floats that packed weights [outputs, inputs] take.</summary>
    public static long PackedSize(Instructions instructions, int outputs, int inputs)
    {
        var width = PanelWidth(instructions);
        return (long)((outputs + width - 1) / width) * width * inputs;
    }

    /// <inheritdoc cref="MatrixProduct{TLanes, TVector}.Pack"/>
    public static void Pack(Instructions instructions, float* weight, int outputs, int inputs, float* packed)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                MatrixProduct<Lanes512, Vector512<float>>.Pack(weight, outputs, inputs, packed);
                break;
            case Instructions.Avx2:
                MatrixProduct<Lanes256, Vector256<float>>.Pack(weight, outputs, inputs, packed);
                break;
            default:
                MatrixProduct<Lanes128, Vector128<float>>.Pack(weight, outputs, inputs, packed);
                break;
        }
    }

    /// <inheritdoc cref="MatrixProduct{TLanes, TVector}.Run(float*, int, long, float*, int, int, float*, float*, long)"/>
    public static void Run(
        Instructions instructions,
        float* a,
        int rows,
        float* packed,
        int inputs,
        int outputs,
        float* bias,
        float* result
    )
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                MatrixProduct<Lanes512, Vector512<float>>.Run(
                    a,
                    rows,
                    inputs,
                    packed,
                    inputs,
                    outputs,
                    bias,
                    result,
                    outputs
                );
                break;
            case Instructions.Avx2:
                MatrixProduct<Lanes256, Vector256<float>>.Run(
                    a,
                    rows,
                    inputs,
                    packed,
                    inputs,
                    outputs,
                    bias,
                    result,
                    outputs
                );
                break;
            default:
                MatrixProduct<Lanes128, Vector128<float>>.Run(
                    a,
                    rows,
                    inputs,
                    packed,
                    inputs,
                    outputs,
                    bias,
                    result,
                    outputs
                );
                break;
        }
    }

    /// <inheritdoc cref="MatrixProduct{TLanes, TVector}.Run(MatrixJob*)"/>
    public static void Run(Instructions instructions, MatrixJob* job)
    {
        switch (instructions)
        {
            case Instructions.Avx512:
                MatrixProduct<Lanes512, Vector512<float>>.Run(job);
                break;
            case Instructions.Avx2:
                MatrixProduct<Lanes256, Vector256<float>>.Run(job);
                break;
            default:
                MatrixProduct<Lanes128, Vector128<float>>.Run(job);
                break;
        }
    }
}
