"""A soup: the untrained encoder, moved by a share of what several trainings moved it on average.

    weights = untrained + share * mean over runs of (trained - untrained)

Averaged weights of several trainings are one encoder, as fast as each of them. Sources: model soups
(arXiv 2203.05482), here with a share as in WiSE-FT (arXiv 2109.01903).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridlib.config.names import NO_BATCHES, SOUP
from hybridlib.errors import InputError
from hybridlib.files import check_writable, write_json
from hybridlib.study.encoders import load_encoder, untrained_encoder
from hybridlib.study.folder import Study, marker_in

if TYPE_CHECKING:
    from torch import Tensor

    from hybridlib.model.encoder import DualEncoder


def write_soup(runs: Sequence[Path], share: float, out: Path) -> None:
    """Write the soup of finished runs as an encoder folder, with ``soup.json`` beside its files.

    Args:
        runs: folders of finished runs that began with one encoder: seeds and strategies of one
            study, or of several.
        share: of the mean movement that is taken; 1 takes the mean of the trained weights.
        out: a folder that is not there yet; ``encoders`` of a study can name it.

    Raises:
        InputError: a folder is none of a finished run, two runs began with other encoders, or
            there is something at ``out``.
    """
    if not math.isfinite(share) or share <= 0:
        raise InputError(f"--share ({share}): give a number above 0; 1 takes the whole mean")
    if out.exists():
        raise InputError(f"{out}: is there already; give a new folder")
    resolved = [run.resolve() for run in runs]
    if len(set(resolved)) < len(resolved):
        raise InputError("a run stands twice; each counts once")
    check_writable(out.parent)
    studies = [_open(run) for run in resolved]

    encoder = _mixed(studies, share)
    encoder.save(out)
    names = [f"{study.params.study}/{study.run.name}" for study in studies]
    write_json(out / "soup.json", {"share": share, "runs": names})


def starting_encoder(study: Study, make: bool = True) -> DualEncoder:
    """Return the encoder that a run begins with: untrained, or the soup of other runs.

    Args:
        study: the run.
        make: write the built-in encoder first; false where another process of the run did.

    Raises:
        InputError: a run that the soup is made of is not finished.
    """
    if study.params.strategy != SOUP:
        return untrained_encoder(study, make)
    for part in study.parts:
        if not marker_in(part, "training").exists():
            raise InputError(
                f"{study.run.name}: needs {part.name} trained; run the whole study, or first "
                f"`--only {part.name}`"
            )
    return _mixed([_open(part) for part in study.parts], study.params.soup_share)


def _mixed(studies: Sequence[Study], share: float) -> DualEncoder:
    """Return the soup of finished runs."""
    encoder = untrained_encoder(studies[0], make=False)
    _add_movement(encoder, studies, share)
    return encoder


def _open(folder: Path) -> Study:
    """Return the run of a folder.

    Raises:
        InputError: it is no folder of a run, the run is not finished, or is untrained.
    """
    study = Study.open_run(folder)
    if study.params.strategy in NO_BATCHES:
        raise InputError(f"{folder}: was not trained; a soup takes trained runs")
    return study


def _add_movement(encoder: DualEncoder, studies: Sequence[Study], share: float) -> None:
    """Add a share of the runs' mean movement to the weights of the untrained encoder, in place.

    Raises:
        InputError: a run began with another encoder, or its weights have other shapes.
    """
    import torch  # takes seconds to import

    start = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    about = _describe(encoder)
    with torch.no_grad():
        for study in studies:
            _check_start(study, studies[0], about)
            trained = load_encoder(study.params, str(study.model)).to(encoder.device)
            moved = dict(trained.named_parameters())
            _check_shapes(study, start, moved)
            for name, weight in encoder.named_parameters():
                weight.add_(moved[name] - start[name], alpha=share / len(studies))


def _check_start(study: Study, first: Study, about: dict[str, Any]) -> None:
    """Refuse a run that did not begin with the encoder of the first, used in the same way."""
    own = _describe(untrained_encoder(study, make=False))
    differing = [name for name in about if own[name] != about[name]]
    if differing:
        raise InputError(
            f"{study.run}: began with another encoder than {first.run} (other "
            f"{', '.join(differing)}); a soup takes runs of one encoder (of one seed, where it is "
            "the built-in one or has a projection)"
        )


def _describe(encoder: DualEncoder) -> dict[str, Any]:
    """Return all that vectors depend on."""
    from hybridlib.model.identity import describe  # imports torch

    return {**describe(encoder), "prefixes": encoder.prefixes}


def _check_shapes(study: Study, start: Mapping[str, Tensor], moved: Mapping[str, Tensor]) -> None:
    """Refuse a trained model that is not of the encoder that its run says it began with."""
    shapes = {name: tuple(weight.shape) for name, weight in start.items()}
    found = {name: tuple(weight.shape) for name, weight in moved.items()}
    other = sorted(name for name in shapes.keys() | found if shapes.get(name) != found.get(name))
    if other:
        raise InputError(
            f"{study.model}: other weights than the encoder that the run began with ({other[0]}: "
            f"{found.get(other[0])} now, {shapes.get(other[0])} then)"
        )
