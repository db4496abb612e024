"""Gymnasium's vector environments behind one contract. Imported by worker processes: no torch here."""
