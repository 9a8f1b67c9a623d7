"""A simulated event camera: video in, events out."""

from liafseq.tasks.dvs.camera.simulator import Camera, simulate, simulate_levels

__all__ = ["Camera", "simulate", "simulate_levels"]
