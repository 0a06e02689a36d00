namespace DeqDet.Detection

open DeqDet

/// The 80 classes of COCO 2017, in the order of the outputs of every published model.
module CocoClasses =

    let private names =
        "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,"
        + "fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,"
        + "elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
        + "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,"
        + "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,"
        + "broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,"
        + "dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,"
        + "toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"

    // COCO numbers its classes from 1 to 90 and leaves these out.
    let private unused = set [ 12L; 26L; 29L; 30L; 45L; 66L; 68L; 69L; 71L; 83L ]

    /// All of them.
    let all: ObjectClass list =
        let ids = [ 1L .. 90L ] |> List.filter (unused.Contains >> not)
        List.map2 (fun id name -> { Id = CocoId(id: int64); Name = name }) ids (List.ofArray (names.Split ','))
