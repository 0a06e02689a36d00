using DeqDet.Model;

namespace DeqDet.Detection;

/// <summary>Models and backbones as their papers write them.</summary>
public static class ModelNames
{
    /// <summary>DEQDet, FFNDet or AdaMixer.</summary>
    public static string Of(DetectorKind kind) =>
        kind.IsDeqDet ? "DEQDet"
        : kind.IsFfnDet ? "FFNDet"
        : "AdaMixer";

    /// <summary>ResNet-50, Swin-S and so on.</summary>
    public static string Of(BackboneKind kind) => kind.ToString().Replace("ResNet", "ResNet-").Replace("Swin", "Swin-");

    /// <summary>Both, and the backbone's width where it is not the usual one.</summary>
    public static string Of(DetectorSettings settings) =>
        $"{Of(settings.Kind)}, {Of(settings.Backbone.Kind)}"
        + (settings.Backbone.Width == 64 ? "" : $" of width {settings.Backbone.Width}");
}
