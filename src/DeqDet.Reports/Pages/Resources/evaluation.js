// Puts the page together.

const data = JSON.parse(at("data").textContent);
summary(data);
mistakes(data.analysis);
let chooseCurve = () => {};
const markClass = classes(data, (k) => {
  chooseCurve(k);
  at("curves").scrollIntoView({ behavior: "smooth" });
});
chooseCurve = curves(data, markClass);
confusion(data);
crowding(data.analysis);
gallery(data);
