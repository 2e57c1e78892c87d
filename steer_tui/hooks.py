"""Everything about hooks under one name: `from steer_tui.hooks import Hook, Detector, Controller, ...`.

Re-exports only; what each thing does is said where it lives, below `steer_tui.engine`.
"""

from __future__ import annotations

from steer_tui.engine.activation_cache import ActivationCache
from steer_tui.engine.bias import bias_edit
from steer_tui.engine.conditional import (
    BatchConditionalController,
    ConditionalController,
    ConditionalPipeline,
    PipelineController,
    TokenConditionalController,
)
from steer_tui.engine.contexts import HookContext, Trace
from steer_tui.engine.controllers import (
    AddController,
    ClampController,
    FunctionController,
    NormaliseController,
    ProjectOutController,
    ReadyController,
    ScalingController,
)
from steer_tui.engine.coordinated import CoordinatedController, PatchController, StatisticsController
from steer_tui.engine.detectors import (
    LayerActivationDetector,
    LimitedAccumulator,
    LoggingDetector,
    MemoryEfficientDetector,
    ModelInputDetector,
    ModelOutputDetector,
    ReadyDetector,
)
from steer_tui.engine.export import export_model
from steer_tui.engine.hookerror import HookError
from steer_tui.engine.hooks import Controller, Detector, FunctionHook, Hook, HookType
from steer_tui.engine.hookstatistics import RunningStatsDetector
from steer_tui.engine.moment import Moment
from steer_tui.engine.orthogonal import orthogonal_edit
from steer_tui.engine.points import HookPoint
from steer_tui.engine.registry import Layers
from steer_tui.engine.sae import TopKSae
from steer_tui.engine.selective import HeadController, SelectiveController
from steer_tui.engine.steeredweights import steered_weights
from steer_tui.engine.tokentrace import TokenTraceDetector
from steer_tui.engine.toptexts import TopKTextsDetector, TopText
from steer_tui.engine.user_hooks import HookFile, load_hooks
from steer_tui.engine.weightedit import WeightEdit

__all__ = [
    "ActivationCache",
    "AddController",
    "BatchConditionalController",
    "ClampController",
    "ConditionalController",
    "ConditionalPipeline",
    "Controller",
    "CoordinatedController",
    "Detector",
    "FunctionController",
    "FunctionHook",
    "HeadController",
    "Hook",
    "HookContext",
    "HookError",
    "HookFile",
    "HookPoint",
    "HookType",
    "LayerActivationDetector",
    "Layers",
    "LimitedAccumulator",
    "LoggingDetector",
    "MemoryEfficientDetector",
    "ModelInputDetector",
    "ModelOutputDetector",
    "Moment",
    "NormaliseController",
    "PatchController",
    "PipelineController",
    "ProjectOutController",
    "ReadyController",
    "ReadyDetector",
    "RunningStatsDetector",
    "ScalingController",
    "SelectiveController",
    "StatisticsController",
    "TokenConditionalController",
    "TokenTraceDetector",
    "TopKSae",
    "TopKTextsDetector",
    "TopText",
    "Trace",
    "WeightEdit",
    "bias_edit",
    "export_model",
    "load_hooks",
    "orthogonal_edit",
    "steered_weights",
]
