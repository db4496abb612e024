"""The network, the policy, the loss and the update, on plain memory."""
