"""Searching a study's evaluation corpus with its trained encoders, from a notebook: with widgets, or without."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from hybridlib.config.params import Params
from hybridlib.data.corpus import RetrievalCorpus
from hybridlib.errors import InputError
from hybridlib.figures import tables
from hybridlib.study import runner
from hybridlib.study.encoders import load_encoder
from hybridlib.study.fingerprint import is_done
from hybridlib.study.folder import Study

if TYPE_CHECKING:
    from hybridlib.model.encoder import DualEncoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tour:
    """One corpus, and an encoder for each batch strategy.

    Attributes:
        corpus: what is searched: the candidates of all its languages.
        encoders: by strategy.
        candidates: each encoder's vectors of the candidates, ``[candidates, d]``.
    """

    corpus: RetrievalCorpus
    encoders: dict[str, DualEncoder]
    candidates: dict[str, np.ndarray]

    @classmethod
    def open(cls, params: Params) -> Tour:
        """The encoders of ``params.strategies`` (of ``params.encoder`` and ``params.seed``); those that the study has not
        trained yet are trained now, by its own notebooks.

        Raises:
            InputError: a notebook that trains one of them failed.
        """
        runs = [Study.open(params.but(strategy=name)) for name in params.strategies]
        missing = [run for run in runs if not is_done(run, "training")]
        if missing:
            logger.warning(
                "not trained yet, made now and once: %s; with the quickstart's settings two to three minutes each on two CPU cores",
                ", ".join(run.params.strategy for run in missing),
            )
        for run in tqdm(missing, desc="training", unit="encoder", disable=not missing):
            runner.run_missing(run, "evaluation")
        corpus = runs[0].evaluation_corpus()
        encoders = {run.params.strategy: load_encoder(run.params, str(run.model)) for run in runs}
        texts = corpus.candidates["text"]
        return cls(
            corpus,
            encoders,
            {
                name: encoder.encode(texts, "passage", params.encode_tokens, progress=True)
                for name, encoder in encoders.items()
            },
        )

    def search(self, question: str, strategy: str, k: int = 10) -> pd.DataFrame:
        """The best ``k`` candidates of all languages: columns rank, lang, text, score (cosine) and right.

        ``right`` is a check mark on the answers, if the question is one of the corpus's.
        """
        scores = self.candidates[strategy] @ self.encoders[strategy].encode([question], "query")[0]
        best = np.argsort(-scores, kind="stable")[:k]
        return tables.result_list(self.corpus, best, scores[best], self.answers(question))

    def answers(self, question: str) -> set[int]:
        """Row numbers of the candidates that answer a question of the corpus; none for any other text."""
        same = self.corpus.queries.index[self.corpus.queries["text"] == question]
        return tables.relevant_of(self.corpus, int(same[0])) if len(same) else set()

    def compare(self, question: str, k: int = 10) -> pd.DataFrame:
        """:meth:`search` with every encoder, and a column strategy: what plots.top_lists draws."""
        return pd.concat(
            [self.search(question, name, k).assign(strategy=name) for name in self.encoders],
            ignore_index=True,
        )

    def questions(self, lang: str, count: int = 25) -> list[str]:
        """Some of the corpus's questions in a language, spread over it."""
        texts = self.corpus.queries.loc[
            self.corpus.queries["lang"] == lang, "text"
        ].drop_duplicates()
        return texts.iloc[:: max(1, len(texts) // count)].head(count).tolist()

    def summary(self, found: pd.DataFrame, question: str) -> str:
        """One line on a list of results: how many languages, and how many of the answers."""
        languages = ", ".join(
            f"{lang} {count}" for lang, count in found["lang"].value_counts().items()
        )
        known = len(self.answers(question))
        right = int((found["right"] == tables.RIGHT).sum())
        return f"languages of the top {len(found)}: {languages}; " + (
            f"{right} of the {known} right answers"
            if known
            else "a question of your own: which answers are right is not known"
        )

    def panel(self, k: int = 10) -> Any:
        """Widgets to search with: pick a question in a language or type one, choose the strategy, see the top ``k``.

        Returns:
            An ``ipywidgets.VBox``; its last child is the HTML of the results.

        Raises:
            InputError: ipywidgets is not installed.
        """
        widgets = _ipywidgets()
        wide = widgets.Layout(width="95%")
        queried = sorted(self.corpus.queries["lang"].unique())
        first = self.corpus.queries["lang"][tables.example_query(self.corpus)]
        language = widgets.Dropdown(options=queried, value=first, description="language")
        pick = widgets.Dropdown(options=self.questions(first), description="pick", layout=wide)
        question = widgets.Text(
            value=pick.value,
            description="or type",
            placeholder="a question, then Enter",
            continuous_update=False,
            layout=wide,
        )
        strategy = widgets.ToggleButtons(
            options=list(self.encoders), value=list(self.encoders)[-1], description="strategy"
        )
        results = widgets.HTML()

        def show(_: object = None) -> None:
            results.value = self._html(question.value.strip(), strategy.value, k)

        def offer(change: dict[str, Any]) -> None:
            pick.options = self.questions(change["new"])  # which picks the first

        def take(change: dict[str, Any]) -> None:
            question.value = change["new"] or question.value

        language.observe(offer, "value")
        pick.observe(take, "value")
        for widget in (question, strategy):
            widget.observe(show, "value")
        show()
        return widgets.VBox([language, pick, question, strategy, results])

    def _html(self, question: str, strategy: str, k: int) -> str:
        if not question:
            return "<p>Pick a question, or type one.</p>"
        found = self.search(question, strategy, k)
        return f'<p dir="auto"><b>{escape(question)}</b></p><p>{escape(self.summary(found, question))}</p>{tables.texts(found).to_html()}'


def _ipywidgets() -> Any:
    try:
        import ipywidgets
    except ImportError:
        raise InputError(
            "the panel needs ipywidgets: install it with `pip install ipywidgets`, or use Tour.search"
        ) from None
    return ipywidgets
