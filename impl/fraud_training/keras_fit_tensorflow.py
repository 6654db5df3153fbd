"""Keras's own ``fit``, as in the notebook, with the batches in the order given.

It is slower than a user would expect: the step is compiled, by XLA even, but a batch costs a millisecond, about
twenty times what NumPy's step takes. That is ``tf.data`` gathering rows, callbacks, metrics and dispatch.
``steps_per_execution=50`` takes a third of the time, with ``tf.data`` over ready batches a fifth; neither is what
``fit`` does unless told, so neither is measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from impl._shared import autoencoder_keras as autoencoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Build and compile the model; the first run traces its training step."""
    _, size, features = problem.batches.shape
    payments = problem.batches.reshape(-1, features)
    initial, epochs = autoencoder.arrays(problem.initial), problem.epochs
    with autoencoder.double_precision():
        model = autoencoder.model()
        model.compile(keras.optimizers.SGD(problem.rate), "mean_squared_error")

    def run() -> NDArray[np.float64]:
        after: list[NDArray[np.float64]] = []

        def remember(*_: object) -> None:
            after.append(np.concatenate([array.ravel() for array in model.get_weights()]))

        keep = keras.callbacks.LambdaCallback(on_epoch_end=remember)
        with autoencoder.double_precision():
            model.set_weights(initial)
            model.fit(payments, payments, batch_size=size, epochs=epochs, shuffle=False, verbose=0, callbacks=[keep])
        return np.array(after)

    return run
