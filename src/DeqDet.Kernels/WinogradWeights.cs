using System.Runtime.CompilerServices;

namespace DeqDet.Kernels;

/// <summary>The kernels of Winograd's convolution: G g G^T of each kernel g of 3 x 3 numbers, in the order in which the convolution reads them.</summary>
internal static unsafe class WinogradWeights
{
    private const int Cells = 9;
    private const int Places = 16;

    /// <summary>[outputs, inputs, 3, 3] -> [outputs / panel, 16, inputs, panel], rounded once.</summary>
    public static void Transform(float* kernel, int outputs, int inputs, int panel, float* target)
    {
        var job = new Job
        {
            Kernel = kernel,
            Target = target,
            Inputs = inputs,
            Panel = panel,
        };
        Team.Run(outputs / panel, &TransformPanel, &job);
    }

    private struct Job
    {
        public float* Kernel;
        public float* Target;
        public int Inputs;
        public int Panel;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransformPanel(void* arguments, int index)
    {
        var job = (Job*)arguments;
        var place = (long)job->Inputs * job->Panel;
        var source = job->Kernel + index * place * Cells;
        var target = job->Target + index * place * Places;
        for (var input = 0; input < job->Inputs; input++)
        {
            for (var output = 0; output < job->Panel; output++)
            {
                var cells = source + ((long)output * job->Inputs + input) * Cells;
                TransformKernel(cells, target + (long)input * job->Panel + output, place);
            }
        }
    }

    private static void TransformKernel(float* cells, float* target, long place)
    {
        var columns = stackalloc double[4 * 3];
        for (var c = 0; c < 3; c++)
        {
            Spread(cells[c], cells[3 + c], cells[6 + c], columns + c, 3);
        }
        var row = stackalloc double[4];
        for (var r = 0; r < 4; r++)
        {
            Spread(columns[3 * r], columns[3 * r + 1], columns[3 * r + 2], row, 1);
            for (var c = 0; c < 4; c++)
            {
                target[(4 * r + c) * place] = (float)row[c];
            }
        }
    }

    /// <summary>G (a, b, c): a, (a + b + c) / 2, (a - b + c) / 2, c.</summary>
    private static void Spread(double a, double b, double c, double* target, int stride)
    {
        target[0] = a;
        target[stride] = (a + b + c) / 2;
        target[2 * stride] = (a - b + c) / 2;
        target[3 * stride] = c;
    }
}
