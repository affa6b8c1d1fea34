from helpers.exercises.training import check_polynomial_decay


def test_right():
    def decay(iteration, iterations, lr, lr_end, power):
        return (lr - lr_end) * (1 - iteration / iterations) ** power + lr_end

    assert check_polynomial_decay(decay).solved


def test_each_mistake_has_its_hint():
    def empty(iteration, iterations, lr, lr_end, power): ...

    def no_end(iteration, iterations, lr, lr_end, power):
        return lr * (1 - iteration / iterations) ** power

    def wrong_power(iteration, iterations, lr, lr_end, power):
        return (lr * (1 - iteration / iterations)) ** power

    assert "nothing yet" in check_polynomial_decay(empty).message
    assert "added again" in check_polynomial_decay(no_end).message
    assert "only that share" in check_polynomial_decay(wrong_power).message
    assert not any(check_polynomial_decay(wrong).solved for wrong in (empty, no_end, wrong_power))
