"""The model card, in the form of Mitchell et al., "Model Cards for Model Reporting" (2019), sections 4.1 to 4.9."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle.golden import GoldenSet

if TYPE_CHECKING:
    from training.export.model import Exportable


@dataclass(frozen=True)
class ModelCard:
    """The parts of a card that people write; the rest is filled in from the export."""

    title: str
    details: str
    intended_use: str
    out_of_scope: str
    factors: str
    evaluation: str
    limits: str

    def render(self, model: Exportable, version: str, metrics: dict[str, float], golden: GoldenSet, tolerance: float) -> str:
        """Return the card as Markdown. `tolerance` is that of the chosen program."""
        figures = "\n".join(f"| `{name}` | {value:g} |" for name, value in sorted(metrics.items()))
        answers = "\n".join(
            f"| `{case.input}` | {model.classes[case.top[0].class_id]} | {case.top[0].confidence:.3f} |"
            for case in golden.cases
        )
        return f"""# {self.title}

Version {version} of `{model.name}`.

## Model details
{self.details}

- Source: {model.source}
- Licence: {model.licence}
- Classes: {len(model.classes)}

## Intended use
{self.intended_use}

Out of scope: {self.out_of_scope}

## Factors
{self.factors}

## Metrics
| metric | value |
|---|---|
{figures}

## Evaluation data
{self.evaluation}

Golden set (reference answers; the chosen program may differ by {tolerance:g} in probability):

| input | first answer | probability |
|---|---|---|
{answers}

## Training data
{model.training_data}

## Ethical considerations, caveats and recommendations
{self.limits}
"""
