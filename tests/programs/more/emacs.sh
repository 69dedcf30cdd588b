# timeout: 60
# Emacs without a display: subprocesses, sockets, timers, file notification, byte-compiling.
cd /root; cat > t.el <<'X'
(require 'filenotify)
(message "%s" (shell-command-to-string "echo from a shell | tr a-z A-Z"))
(let* ((out "") (p (make-process :name "cat" :command '("cat") :connection-type 'pipe :filter (lambda (_ s) (setq out (concat out s))))))
  (process-send-string p "through cat\n") (process-send-eof p) (while (process-live-p p) (accept-process-output p 0.1)) (accept-process-output p 0.1) (message "%s%s" out (process-exit-status p)))
(let* ((out "") (p (make-process :name "tty" :command '("sh" "-c" "tty | tr -d 0-9; stty size; exit 4") :connection-type 'pty :filter (lambda (_ s) (setq out (concat out s))))))
  (while (process-live-p p) (accept-process-output p 0.1)) (accept-process-output p 0.1) (message "%s%s" out (process-exit-status p)))
(let* ((got nil) (s (make-network-process :name "s" :server t :family 'local :service "/root/sock" :filter (lambda (c x) (process-send-string c (upcase x))))) (c (make-network-process :name "c" :family 'local :service "/root/sock" :filter (lambda (_ x) (setq got x)))))
  (process-send-string c "hello") (while (not got) (accept-process-output nil 0.1)) (message "%s" got) (delete-process c) (delete-process s))
(let ((ev nil)) (make-directory "d") (file-notify-add-watch "d" '(change) (lambda (e) (push (nth 1 e) ev))) (write-region "x" nil "d/f") (while (not ev) (read-event nil nil 0.1)) (message "%s" (car (last ev))))
(let ((n 0)) (run-at-time 0.05 0.05 (lambda () (setq n (1+ n)))) (sleep-for 0.6) (message "%s" (> n 3)))
(write-region "(defun f (x) (* x 2))" nil "g.el") (byte-compile-file "g.el") (load "/root/g.elc" nil t) (message "%s %s" (f 21) (signal-process (emacs-pid) 0))
(message "%s" (mapcar #'thread-live-p (list (make-thread #'ignore)))) (message "%s" (length (make-string 3000000 ?x))) (kill-emacs 5)
X
emacs -Q --batch -l t.el 2>&1; echo status $?
