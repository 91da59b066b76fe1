"""Latent diffusion: schedules, samplers, inversion, guidance and the networks they call. Knows no tool and no session.

State, everywhere: x in variance-exploding coordinates, x = x0 + σ ε; what the networks see is x / √(σ² + 1)
(Karras et al., arXiv 2206.00364, C.3.1). Importing any file in here imports torch.
"""
