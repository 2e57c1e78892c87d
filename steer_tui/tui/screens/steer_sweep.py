"""The sweeps that Steer begins with one key: all layers, all strengths, the weights of a mix."""

from __future__ import annotations

from steer_tui.session import sweep_plan
from steer_tui.session.sweep_plan import SweepPlan
from steer_tui.tui.screens.steer_panes import SteerPanes


class SweepPresets(SteerPanes):
    """Each goes to Sweep and runs at once."""

    def act_layer_analysis(self) -> None:
        """Sweep the selected term's strength over all layers."""
        app = self.bench_app
        term, info = app.bench.selected_term, app.status.info
        if term is not None and info is not None:
            self._sweep(sweep_plan.layer_analysis(app.bench, term, info.layers))

    def act_strength_explorer(self) -> None:
        """Sweep the selected term's layers over all strengths."""
        app = self.bench_app
        term, info = app.bench.selected_term, app.status.info
        if term is not None and info is not None:
            self._sweep(sweep_plan.strength_explorer(app.bench, term, info.layers))

    def act_mixer(self) -> None:
        """Sweep the weights of the recipe's first two or three concepts."""
        app = self.bench_app
        if app.status.info is not None:
            self._sweep(sweep_plan.mixer(app.bench, app.status.info.layers))

    def _sweep(self, plan: SweepPlan) -> None:
        from steer_tui.tui.screens.sweep import SweepScreen

        app = self.bench_app
        place = app.visit("sweep")
        assert isinstance(place, SweepScreen)
        place.begin(plan)
        app.act("show_sweep")
