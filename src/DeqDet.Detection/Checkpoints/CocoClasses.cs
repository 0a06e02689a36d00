using DeqDet.Checkpoints;

namespace DeqDet.Detection;

/// <summary>The 80 classes of COCO 2017, in the order of the outputs of every published model.</summary>
public static class CocoClasses
{
    private const string Names =
        "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,"
        + "fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,"
        + "elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
        + "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,"
        + "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,"
        + "broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,"
        + "dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,"
        + "toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush";

    // COCO numbers its classes from 1 to 90 and leaves these out.
    private static readonly long[] Unused = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ObjectClass> All { get; } =
    [
        .. Enumerable
            .Range(1, 90)
            .Select(id => (long)id)
            .Except(Unused)
            .Zip(Names.Split(','), (id, name) => new ObjectClass(id, name)),
    ];
}
