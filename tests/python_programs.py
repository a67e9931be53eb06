"""NumPy programs as scientists write them: compiled as they stand, with only the import line changed."""

from __future__ import annotations

import math

import jitney.numpy as np


def gauss(A, b):
    A = A.copy()
    b = b.copy()
    n = len(b)
    for k in range(n):
        p = k + np.argmax(np.abs(A[k:, k]))
        if p != k:
            A[[k, p]] = A[[p, k]]
            b[[k, p]] = b[[p, k]]
        for i in range(k + 1, n):
            f = A[i, k] / A[k, k]
            A[i, k:] -= f * A[k, k:]
            b[i] -= f * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return x


def cholesky(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(s) if i == j else s / L[j, j]
    return L


def life(board, steps):
    for _ in range(steps):
        n = sum(
            np.roll(np.roll(board, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
        )
        board = np.where((n == 3) | ((board == 1) & (n == 2)), 1, 0)
    return board


def mandelbrot(c, limit):
    z = 0j
    n = 0
    while abs(z) <= 2 and n < limit:
        z = z * z + c
        n += 1
    return n


def heat(u, steps):
    u = u.copy()
    for _ in range(steps):
        u[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def metropolis(x, proposals, uniforms):
    chain = np.zeros(len(proposals))
    accepted = 0
    for i in range(len(proposals)):
        y = x + proposals[i]
        if math.log(uniforms[i]) < 0.5 * (x**2 - y**2):
            x = y
            accepted += 1
        chain[i] = x
    return chain, accepted


def knapsack(values, weights, capacity):
    best = np.zeros(capacity + 1)
    for i in range(len(values)):
        for c in range(capacity, 0, -1):
            if weights[i] <= c:
                best[c] = max(best[c], best[c - weights[i]] + values[i])
    return best[capacity]


def edit_distance(a, b):
    D = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    D[:, 0] = np.arange(len(a) + 1)
    D[0, :] = np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            D[i, j] = min(D[i - 1, j] + 1, D[i, j - 1] + 1, D[i - 1, j - 1] + cost)
    return D[len(a), len(b)]


def floyd(D):
    D = D.copy()
    n = len(D)
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if D[i, k] + D[k, j] < D[i, j]:
                    D[i, j] = D[i, k] + D[k, j]
    return D


def insertion_sort(x):
    x = x.copy()
    for i in range(1, len(x)):
        key = x[i]
        j = i - 1
        while j >= 0 and x[j] > key:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = key
    return x


def quick_select(x, k):
    x = x.copy()
    lo, hi = 0, len(x) - 1
    while lo < hi:
        pivot = x[(lo + hi) // 2]
        i, j = lo, hi
        while i <= j:
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
            if i <= j:
                t = x[i]
                x[i] = x[j]
                x[j] = t
                i += 1
                j -= 1
        if k <= j:
            hi = j
        elif k >= i:
            lo = i
        else:
            break
    return x[k]


def bisect(lo, hi):
    f = lambda x: x**3 - x - 2
    for _ in range(200):
        mid = 0.5 * (lo + hi)
        if f(lo) * f(mid) <= 0:
            hi = mid
        else:
            lo = mid
        if hi - lo < 1e-12:
            break
    return mid


def newton(x):
    for i in range(50):
        step = (x**2 - 2) / (2 * x)
        x -= step
        if abs(step) < 1e-14:
            return x, i
    return x, -1


def golden(a, b):
    g = (math.sqrt(5) - 1) / 2
    f = lambda x: (x - 1.234) ** 2 + 0.5
    c, d = b - g * (b - a), a + g * (b - a)
    while abs(b - a) > 1e-8:
        if f(c) < f(d):
            b = d
        else:
            a = c
        c, d = b - g * (b - a), a + g * (b - a)
    return (a + b) / 2


def adaptive(y, t1):
    t, h, n = 0.0, 0.1, 0
    f = lambda t, y: -2 * y + np.sin(t)
    while t < t1:
        if t + h > t1:
            h = t1 - t
        k1 = f(t, y)
        k2 = f(t + h, y + h * k1)
        err = abs(h * (k2 - k1) / 2)
        if err < 1e-4:
            y = y + h * (k1 + k2) / 2
            t = t + h
            n += 1
            h = min(h * 1.5, 0.5)
        else:
            h = h / 2
    return y, n


def kmeans(X, C, steps):
    for _ in range(steps):
        d = ((X[:, None] - C[None]) ** 2).sum(-1)
        label = d.argmin(1)
        for k in range(len(C)):
            members = X[label == k]
            C[k] = members.mean(0)
    return C


def nbody(pos, vel, steps, dt):
    pos, vel = pos.copy(), vel.copy()
    n = len(pos)
    for _ in range(steps):
        for i in range(n):
            for j in range(n):
                if i != j:
                    d = pos[j] - pos[i]
                    vel[i] += dt * d / (d @ d + 0.1) ** 1.5
        pos += dt * vel
    return pos


def moving_average(x, w):
    out = np.empty(len(x) - w + 1)
    s = x[:w].sum()
    out[0] = s / w
    for i in range(1, len(out)):
        s += x[i + w - 1] - x[i - 1]
        out[i] = s / w
    return out


def histogram(x, lo, hi, bins):
    counts = np.zeros(bins, dtype=int)
    for v in x:
        if lo <= v < hi:
            counts[int((v - lo) / (hi - lo) * bins)] += 1
    return counts


def viterbi(start, trans, emit, obs):
    T, S = len(obs), len(start)
    V = np.zeros((T, S))
    back = np.zeros((T, S), dtype=int)
    V[0] = np.log(start) + np.log(emit[:, obs[0]])
    for t in range(1, T):
        for s in range(S):
            p = V[t - 1] + np.log(trans[:, s])
            back[t, s] = np.argmax(p)
            V[t, s] = p.max() + np.log(emit[s, obs[t]])
    path = np.zeros(T, dtype=int)
    path[-1] = V[-1].argmax()
    for t in range(T - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return path


def dtw(a, b):
    D = np.full((len(a) + 1, len(b) + 1), np.inf)
    D[0, 0] = 0
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            D[i, j] = abs(a[i - 1] - b[j - 1]) + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])
    return D[-1, -1]


def spline(x, y, xs):
    n = len(x)
    h = np.diff(x)
    a = np.zeros(n)
    b = np.ones(n)
    c = np.zeros(n)
    r = np.zeros(n)
    for i in range(1, n - 1):
        a[i] = h[i - 1]
        b[i] = 2 * (h[i - 1] + h[i])
        c[i] = h[i]
        r[i] = 6 * ((y[i + 1] - y[i]) / h[i] - (y[i] - y[i - 1]) / h[i - 1])
    for i in range(1, n):
        w = a[i] / b[i - 1]
        b[i] -= w * c[i - 1]
        r[i] -= w * r[i - 1]
    m = np.zeros(n)
    m[-1] = r[-1] / b[-1]
    for i in reversed(range(n - 1)):
        m[i] = (r[i] - c[i] * m[i + 1]) / b[i]
    out = []
    for v in xs:
        k = 0
        while k < n - 2 and v > x[k + 1]:
            k += 1
        t = v - x[k]
        out.append(
            y[k]
            + t * ((y[k + 1] - y[k]) / h[k] - h[k] * (2 * m[k] + m[k + 1]) / 6)
            + t**2 * m[k] / 2
            + t**3 * (m[k + 1] - m[k]) / (6 * h[k])
        )
    return np.array(out)


def matpow(A, n):
    R = np.eye(len(A))
    while n > 0:
        if n % 2:
            R = R @ A
        A = A @ A
        n //= 2
    return R


def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def is_prime(n):
    if n < 2:
        return False
    i = 2
    while i * i <= n:
        if n % i == 0:
            return False
        i += 1
    return True


def binary_search(x, v):
    lo, hi = 0, len(x)
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < v:
            lo = mid + 1
        else:
            hi = mid
    return lo


def legendre(n, x):
    p0, p1 = 1.0, x
    if n == 0:
        return p0
    for k in range(1, n):
        p0, p1 = p1, ((2 * k + 1) * x * p1 - k * p0) / (k + 1)
    return p1


def jacobi(A, b, tol):
    x = np.zeros_like(b)
    D = np.diag(A)
    R = A - np.diagflat(D)
    for it in range(500):
        new = (b - R @ x) / D
        if np.linalg.norm(new - x) < tol:
            return new, it
        x = new
    return x, it


def running_median(x, w):
    half = w // 2
    out = x.copy()
    for i in range(half, len(x) - half):
        out[i] = np.median(x[i - half : i + half + 1])
    return out


def clip_sigma(x, n):
    keep = np.ones(len(x), dtype=bool)
    for _ in range(n):
        mu, sd = x[keep].mean(), x[keep].std()
        keep = keep & (np.abs(x - mu) < 2 * sd)
    return x[keep].mean(), keep.sum()


def simpson(f0, a, b, n):
    h = (b - a) / n
    s = np.exp(-f0 * a) + np.exp(-f0 * b)
    for i in range(1, n):
        s += (4 if i % 2 else 2) * np.exp(-f0 * (a + i * h))
    return s * h / 3


def bilinear(img, y, x):
    i, j = int(np.floor(y)), int(np.floor(x))
    dy, dx = y - i, x - j
    return (
        img[i, j] * (1 - dy) * (1 - dx)
        + img[i + 1, j] * dy * (1 - dx)
        + img[i, j + 1] * (1 - dy) * dx
        + img[i + 1, j + 1] * dy * dx
    )


def pagerank(M, d, tol):
    n = M.shape[0]
    r = np.ones(n) / n
    delta = 1.0
    n_iter = 0
    while delta > tol:
        new = d * M @ r + (1 - d) / n
        delta = np.abs(new - r).sum()
        r = new
        n_iter += 1
    return r, n_iter


def random_walk_2d(steps):
    pos = np.zeros((len(steps) + 1, 2))
    for i, s in enumerate(steps):
        pos[i + 1] = pos[i]
        if s == 0:
            pos[i + 1, 0] += 1
        elif s == 1:
            pos[i + 1, 0] -= 1
        elif s == 2:
            pos[i + 1, 1] += 1
        else:
            pos[i + 1, 1] -= 1
    return pos


def flood(grid, i, j):
    n, m = grid.shape
    out = np.zeros((n, m), dtype=bool)
    out[i, j] = True
    changed = True
    while changed:
        grown = out.copy()
        grown[1:] |= out[:-1]
        grown[:-1] |= out[1:]
        grown[:, 1:] |= out[:, :-1]
        grown[:, :-1] |= out[:, 1:]
        grown &= grid == grid[i, j]
        changed = (grown != out).any()
        out = grown
    return out


def kalman(zs, q, r):
    x, p = 0.0, 1.0
    xs = []
    for z in zs:
        p = p + q
        k = p / (p + r)
        x = x + k * (z - x)
        p = (1 - k) * p
        xs.append(x)
    return np.array(xs)


def fib(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def count_words(codes):
    n, inside = 0, False
    for c in codes:
        if c == 32:
            inside = False
        elif not inside:
            inside = True
            n += 1
    return n
