namespace DeqDet.Kernels;

/// <summary>A product C = A B, or C += A B: A [rows, depth], B [depth, columns], C [rows, columns], each with distances of its own in floats.</summary>
internal unsafe struct MatrixJob
{
    public float* A;
    public long ARow;
    public long ADepth;

    /// <summary>The first panel of B; the next one `BPanel` further on, a row every `BRow`.</summary>
    public float* B;
    public long BPanel;
    public long BRow;

    /// <summary>What the sums begin with.</summary>
    public Start First;

    /// <summary>[columns], where the sums begin with it.</summary>
    public float* Bias;
    public float* C;
    public long CRow;
    public int Rows;
    public int Depth;
    public int Columns;

    // How it is divided; set by the product itself.
    public int RowParts;
    public int PanelParts;
    public int Panels;
    public int Tiles;
}
