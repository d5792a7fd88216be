"""A better pose for each crop: a few steps of least squares, from where the encoder pointed."""

from __future__ import annotations

import torch

_STEPS = 3
_DIFFERENCE = (0.5, 0.02)  # pixels, radians


def polished(decoder, crops, pose, content, noise_sd, link):
    """Gauss-Newton steps on the logarithm of likelihood and prior, which are kept where they improve it.

    Parameters
    ----------
    decoder : Module
    crops : tensor of shape (N, H, W)
    pose : ndarray of shape (N, n_pose)
        Pixels and radians.
    content : ndarray of shape (N, n_content)
    noise_sd : float
    link : callable
        From what the decoder returns to pixels.

    Returns
    -------
    ndarray, like `pose`
    """
    geometry = decoder.geometry
    with torch.inference_mode():
        pose, content = (torch.as_tensor(part, device=crops.device) for part in (pose, content))
        prior = pose.new_tensor(geometry.precision())
        steps = [*[_DIFFERENCE[0]] * geometry.axes, *[_DIFFERENCE[1]] * geometry.rotates]
        decode = decoder.drawer(content)

        def draw(pose):
            return link(decode(pose))

        def cost(residual, pose):
            return (residual**2).sum(dim=1) / noise_sd**2 + ((pose @ prior) * pose).sum(dim=1)

        residual = (crops - draw(pose)).flatten(1)
        lowest = cost(residual, pose)
        for _ in range(_STEPS):
            slopes = []
            for n, step in enumerate(steps):
                change = torch.zeros_like(pose)
                change[:, n] = step
                slopes.append((draw(pose + change) - draw(pose - change)).flatten(1) / (2 * step))
            slope = torch.stack(slopes, dim=1)
            curvature = slope @ slope.transpose(1, 2) / noise_sd**2 + prior
            gradient = (slope @ residual[..., None])[..., 0] / noise_sd**2 - pose @ prior
            trial = pose + torch.linalg.solve(curvature, gradient)
            left = (crops - draw(trial)).flatten(1)
            reached = cost(left, trial)
            better = reached < lowest
            pose = torch.where(better[:, None], trial, pose)
            residual = torch.where(better[:, None], left, residual)
            lowest = torch.where(better, reached, lowest)
        return pose.cpu().numpy()
