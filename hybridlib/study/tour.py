"""Search a study's evaluation corpus with its trained encoders, in a notebook."""

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
        """Load the encoders of ``params.strategies``, of ``params.encoder`` and ``params.seed``.

        Those that the study has not trained yet are trained first, by its own notebooks.

        Raises:
            InputError: a notebook that trains one of them failed.
        """
        runs = [Study.open(params.but(strategy=name)) for name in params.strategies]
        missing = [run for run in runs if not is_done(run, "training")]
        if missing:
            logger.warning(
                "not trained yet, made now and once: %s; with the quickstart's settings one to "
                "two minutes each on two CPU cores",
                ", ".join(run.params.strategy for run in missing),
            )
        for run in tqdm(missing, desc="training", unit="encoder", disable=not missing):
            runner.run_missing(run, "evaluation")

        # Encode the candidates once for each encoder; a search then encodes its question alone.
        corpus = runs[0].evaluation_corpus()
        texts = corpus.candidates["text"]
        encoders = {}
        candidates = {}
        for run in runs:
            name = run.params.strategy
            encoders[name] = load_encoder(run.params, str(run.model))
            candidates[name] = encoders[name].encode(
                texts, "passage", params.encode_tokens, progress=True
            )
        return cls(corpus, encoders, candidates)

    def search(self, question: str, strategy: str, k: int = 10) -> pd.DataFrame:
        """Return the best ``k`` candidates of all languages.

        Returns:
            Columns rank, lang, text, score (cosine) and right: a check mark on the answers, if the
            question is one of the corpus's.
        """
        vector = self.encoders[strategy].encode([question], "query")[0]
        scores = self.candidates[strategy] @ vector
        best = np.argsort(-scores, kind="stable")[:k]
        return tables.result_list(self.corpus, best, scores[best], self.answers(question))

    def answers(self, question: str) -> set[int]:
        """Return the row numbers of the candidates that answer a question of the corpus.

        Any other text has none.
        """
        queries = self.corpus.queries
        same = queries.index[queries["text"] == question]
        return tables.relevant_of(self.corpus, int(same[0])) if len(same) else set()

    def compare(self, question: str, k: int = 10) -> pd.DataFrame:
        """Return :meth:`search` with every encoder, and a column strategy.

        :func:`hybridlib.figures.top_lists` draws it.
        """
        lists = [self.search(question, name, k).assign(strategy=name) for name in self.encoders]
        return pd.concat(lists, ignore_index=True)

    def questions(self, lang: str, count: int = 25) -> list[str]:
        """Return some of the corpus's questions in a language, spread over it."""
        queries = self.corpus.queries
        texts = queries.loc[queries["lang"] == lang, "text"].drop_duplicates()
        return texts.iloc[:: max(1, len(texts) // count)].head(count).tolist()

    def summary(self, results: pd.DataFrame, question: str) -> str:
        """Return one line on a list of results: how many languages, how many of the answers."""
        counts = results["lang"].value_counts().items()
        languages = ", ".join(f"{lang} {count}" for lang, count in counts)
        known = len(self.answers(question))
        right = int((results["right"] == tables.RIGHT).sum())
        answers = f"{right} of the {known} right answers"
        if not known:
            answers = "a question of your own: which answers are right is not known"
        return f"languages of the top {len(results)}: {languages}; {answers}"

    def panel(self, k: int = 10) -> Any:
        """Return widgets to search with: pick a question in a language or type one.

        Args:
            k: results to show.

        Returns:
            An ``ipywidgets.VBox``; its last child is the HTML of the results.

        Raises:
            InputError: ipywidgets is not installed.
        """
        widgets = _ipywidgets()
        wide = widgets.Layout(width="95%")
        languages = sorted(self.corpus.queries["lang"].unique())
        first = self.corpus.queries["lang"][tables.example_query(self.corpus)]
        language = widgets.Dropdown(options=languages, value=first, description="language")
        pick = widgets.Dropdown(options=self.questions(first), description="pick", layout=wide)
        question = widgets.Text(
            value=pick.value,
            description="or type",
            placeholder="a question, then Enter",
            continuous_update=False,
            layout=wide,
        )
        names = list(self.encoders)
        strategy = widgets.ToggleButtons(options=names, value=names[-1], description="strategy")
        results = widgets.HTML()

        def show_results(_: object = None) -> None:
            results.value = self._html(question.value.strip(), strategy.value, k)

        def list_questions(change: dict[str, Any]) -> None:
            # New options pick the first of them, which asks it.
            pick.options = self.questions(change["new"])

        def ask_picked(change: dict[str, Any]) -> None:
            question.value = change["new"] or question.value

        language.observe(list_questions, "value")
        pick.observe(ask_picked, "value")
        for widget in (question, strategy):
            widget.observe(show_results, "value")
        show_results()
        return widgets.VBox([language, pick, question, strategy, results])

    def _html(self, question: str, strategy: str, k: int) -> str:
        """Return the results of a question as HTML."""
        if not question:
            return "<p>Pick a question, or type one.</p>"
        results = self.search(question, strategy, k)
        summary = escape(self.summary(results, question))
        table = tables.texts(results).to_html()
        return f'<p dir="auto"><b>{escape(question)}</b></p><p>{summary}</p>{table}'


def _ipywidgets() -> Any:
    """Return ipywidgets, which the package does not depend on."""
    try:
        import ipywidgets  # an optional dependency
    except ImportError:
        raise InputError(
            "the panel needs ipywidgets: install it with `pip install ipywidgets`, or use "
            "Tour.search"
        ) from None
    return ipywidgets
