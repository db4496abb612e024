"""A policy in files that others play: ONNX, NumPy, torch.export."""
