"""A prediction log as Google's own protobuf reads it, from descriptors made here from the .proto files' numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.unknown_fields import UnknownFieldSet

# tensorflow_serving/apis/{prediction_log,predict,model}.proto, tensorflow/core/framework/{tensor,tensor_shape}.proto:
# message -> field -> number, type, whether repeated. A capital letter is a message.
MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    "PredictionLog": {"predict_log": (6, "PredictLog", False)},
    "PredictLog": {"request": (1, "PredictRequest", False)},
    "PredictRequest": {"model_spec": (1, "ModelSpec", False), "inputs": (2, "InputsEntry", True)},
    "ModelSpec": {"name": (1, "string", False), "signature_name": (3, "string", False)},
    "InputsEntry": {"key": (1, "string", False), "value": (2, "TensorProto", False)},
    "TensorProto": {
        "dtype": (1, "int32", False),
        "tensor_shape": (2, "TensorShapeProto", False),
        "float_val": (5, "float", True),
        "double_val": (6, "double", True),
        "int_val": (7, "int32", True),
        "string_val": (8, "bytes", True),
        "int64_val": (10, "int64", True),
        "bool_val": (11, "bool", True),
        "uint32_val": (16, "uint32", True),
        "uint64_val": (17, "uint64", True),
    },
    "TensorShapeProto": {"dim": (2, "Dim", True)},
    "Dim": {"size": (1, "int64", False), "name": (2, "string", False)},
}


def _prediction_log_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="warmup_test.proto", package="warmup_test", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            is_message = kind[0].isupper()
            message.field.add(
                name=field,
                number=number,
                label=Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL,
                type=Field.TYPE_MESSAGE if is_message else getattr(Field, f"TYPE_{kind.upper()}"),
                type_name=f".warmup_test.{kind}" if is_message else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("warmup_test.PredictionLog"))


PREDICTION_LOG = _prediction_log_class()


def decoded(data: bytes) -> Any:
    """The request; fails where a field has a number that the .proto files do not have."""
    log = PREDICTION_LOG.FromString(data)
    waiting = [log]
    while waiting:
        message = waiting.pop()
        assert len(UnknownFieldSet(message)) == 0
        for field, value in message.ListFields():
            if field.type == Field.TYPE_MESSAGE:
                waiting += value if field.is_repeated else [value]
    return log.predict_log.request
