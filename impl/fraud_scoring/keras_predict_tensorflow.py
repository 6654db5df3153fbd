"""Keras's ``predict`` and the error by NumPy, as in the notebook.

``predict`` cuts the payments into batches of 32 unless told, and then spends nearly all of its time on handing
batches out and results back; here it gets 4,096. A fixed cost of some 70 ms a call, for an input pipeline and
callbacks, remains: for a few hundred payments that is more than pure Python needs for all of the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared import autoencoder_keras as autoencoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run

BATCH = 4_096


def prepare(problem: Problem) -> Run:
    """Build the model with the weights given; the first run traces it."""
    payments = problem.payments
    with autoencoder.double_precision():
        model = autoencoder.model()
        model.set_weights(autoencoder.arrays(problem.weights))

    def run() -> NDArray[np.float64]:
        with autoencoder.double_precision():
            made = model.predict(payments, batch_size=BATCH, verbose=0)
        errors: NDArray[np.float64] = np.square(made - payments).mean(1)
        return errors

    return run
