namespace DeqDet.Detection

open DeqDet.Model

/// Models and backbones as their papers write them.
[<AbstractClass; Sealed>]
type ModelNames =

    /// DEQDet, FFNDet or AdaMixer.
    static member Of(kind: DetectorKind) : string = (Family.ofKind kind).Title

    /// ResNet-50, Swin-S and so on.
    static member Of(kind: BackboneKind) : string =
        (string kind).Replace("ResNet", "ResNet-").Replace("Swin", "Swin-")

    /// Both, and the backbone's width where it is not the usual one.
    static member Of(settings: DetectorSettings) : string =
        let width =
            if settings.Backbone.Width = DetectorSettings.published.Backbone.Width then
                ""
            else
                $" of width {settings.Backbone.Width}"

        $"{ModelNames.Of settings.Kind}, {ModelNames.Of settings.Backbone.Kind}{width}"
