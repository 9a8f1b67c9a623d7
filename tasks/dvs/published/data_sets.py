"""The published event-camera data sets as data: classes, sensor, split, layout, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from liafseq.tasks.dvs.events import Sensor

__all__ = ["FOLDER_DATA_SETS", "ByFolder", "ByUser", "FolderDataSet", "Stratified"]


@dataclass(frozen=True)
class ByFolder:
    """The authors' split: one folder for each part; case does not matter."""

    train: str
    test: str


@dataclass(frozen=True)
class ByUser:
    """The authors' split: some people train, others test; numbers of the people."""

    train: range
    test: range


@dataclass(frozen=True)
class Stratified:
    """No official split: of each class, this part, drawn by a seed, is the test set."""

    test: float


@dataclass(frozen=True)
class FolderDataSet:
    """What is to be known about a data set before it is opened."""

    title: str
    sensor: Sensor
    classes: tuple[str, ...]
    split: ByFolder | ByUser | Stratified
    layout: tuple[str, ...]
    """The files that are looked for, below the folder of the data or one folder deeper."""
    url: str
    paper: str
    scales: tuple[int, ...] = field(default=())


DIGITS = tuple("0123456789")

FOLDER_DATA_SETS: Mapping[str, FolderDataSet] = MappingProxyType(
    {
        "nmnist": FolderDataSet(
            title="N-MNIST",
            sensor=Sensor(34, 34),
            classes=DIGITS,
            split=ByFolder("Train", "Test"),
            layout=("Train/<digit>/*.bin", "Test/<digit>/*.bin"),
            url="https://www.garrickorchard.com/datasets/n-mnist",
            paper="Orchard et al. 2015, doi:10.3389/fnins.2015.00437",
        ),
        "mnist-dvs": FolderDataSet(
            title="MNIST-DVS",
            sensor=Sensor(128, 128),
            classes=DIGITS,
            split=Stratified(0.1),
            layout=(
                "grabbed_data<digit>/scale<4, 8 or 16>/mnist_<digit>_scale<04, 08 or 16>_<number>.aedat",
            ),
            url="http://www2.imse-cnm.csic.es/caviar/MNISTDVS.html",
            paper="Serrano-Gotarredona and Linares-Barranco 2015, doi:10.3389/fnins.2015.00481",
            scales=(4, 8, 16),
        ),
        "cifar10-dvs": FolderDataSet(
            title="CIFAR10-DVS",
            sensor=Sensor(128, 128),
            classes=(
                *("airplane", "automobile", "bird", "cat", "deer"),
                *("dog", "frog", "horse", "ship", "truck"),
            ),
            split=Stratified(0.1),
            layout=("<class>/*.aedat (or .aedat4, .npz, .npy)",),
            url="https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
            paper="Li et al. 2017, doi:10.3389/fnins.2017.00309",
        ),
        "dvs128-gesture": FolderDataSet(
            title="DVS128 Gesture",
            sensor=Sensor(128, 128),
            classes=(
                "hand clapping",
                "right hand wave",
                "left hand wave",
                "right arm clockwise",
                "right arm counter clockwise",
                "left arm clockwise",
                "left arm counter clockwise",
                "arm roll",
                "air drums",
                "air guitar",
                "other gestures",
            ),
            split=ByUser(range(1, 24), range(24, 30)),
            layout=(
                "trials_to_train.txt, trials_to_test.txt, user<number>_<light>.aedat and "
                "user<number>_<light>_labels.csv",
                "or, from tonic, ibmGestureTrain/user<number>_<light>/<class>.npy and ibmGestureTest/...",
            ),
            url="https://research.ibm.com/interactive/dvsgesture/",
            paper="Amir et al., A Low Power, Fully Event-Based Gesture Recognition System, CVPR 2017",
        ),
    }
)
"""The data sets that :func:`~liafseq.tasks.dvs.published.folders.open_folder` opens, by name."""
