"""Pure numerics: intervals, proportions, paired differences."""
