// Residuals as colours and as text; the colours of moving pictures are the same (ResidualColour.cs).

// From settled to moving: residuals up to the first number are green, from the second on red, between them by their logarithm.
function shades(settled, moving) {
  const room = Math.log10(moving / settled);
  return (residual) => {
    const share = Math.min(1, Math.max(0, Math.log10(Math.max(residual, 1e-12) / settled) / room));
    return { colour: `hsl(${Math.round(140 - 140 * share)} 85% 55%)`, ink: "#000" };
  };
}

const small = (residual) => (residual === null ? "not finite" : residual === 0 ? "0" : residual < 0.001 ? residual.toExponential(1) : residual.toPrecision(2));
