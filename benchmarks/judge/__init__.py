"""How often the judge of rollouts is wrong while other load comes in bursts."""
