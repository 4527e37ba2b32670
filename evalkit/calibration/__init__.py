"""How far a judge agrees with people: from a run and labels to a judge card."""
